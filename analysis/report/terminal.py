"""Answers for a terminal: the report's first table, and a table of all that was measured."""

import shutil
import textwrap
from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.data.sweep import Sweep
from analysis.errors import ResultsError
from analysis.fronts.answers import Answer, Goal, all_answers, answers_of, as_json
from analysis.fronts.fronts import Point
from analysis.report.disclosure import measured_on
from analysis.report.summary import HEADS, Row, Said, rows_of, summary_rows
from analysis.report.words import answer_sentences, listed, percent, plain, unanswered, why_none
from analysis.study import Group, Study
from worker.terminal import visible

__all__ = ["best_as_json", "best_lines", "summary_lines"]

_WIDTH = 130
_SENTENCES = 100


def summary_lines(study: Study, rows: Sequence[Row] | None = None) -> list[str]:
    """The report's first table, as lines for a terminal; above it whether devices or links are not real.

    Args:
        rows: Of the table; None for all that the page has.
    """
    several = len(study.models) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in (*(["model"] if several else []), *HEADS):
        table.add_column(head, overflow="fold")
    for row in summary_rows(study) if rows is None else rows:
        cells = ["\n".join(map(_line, cell)) for cell in row.cells()]
        table.add_row(*([visible(row.model)] if several else []), *cells)
    on = measured_on(study.sweep)
    return [*([f"{on.headline}."] if on.simulated else []), *_printed(table)]


def _line(said: Said) -> str:
    return visible(f"{said.text} ({said.needed})" if said.needed else said.text)


def _printed(*tables: Table) -> list[str]:
    text = StringIO()
    width = max(_WIDTH, shutil.get_terminal_size().columns)
    console = Console(file=text, highlight=False, markup=False, emoji=False, width=width)
    for table in tables:
        console.print(table)
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def best_as_json(sweep: Sweep, goals: Sequence[Goal]) -> list[dict[str, object]]:
    """Each network's answers as plain values; `at` is what `exporter split --at` takes, null without a cut.

    Args:
        goals: Empty for the experiment's objectives.

    Raises:
        ResultsError: Nothing was measured that could be an answer.
    """
    answers = all_answers(sweep, goals)
    _require(answers, sweep, goals)
    entries = []
    for answer, values in zip(answers, as_json(sweep, answers), strict=True):
        whole = sweep.node_count(answer.bundle)
        inner = [cut for cut in dict.fromkeys(answer.point.cell.cuts) if 0 < cut < whole]
        entries.append({**values, "at": ",".join(map(str, inner)) or None})
    return entries


def best_lines(study: Study, goals: Sequence[Goal]) -> list[str]:
    """The table of answers, and then each network's measured splits and reasons, as lines for a terminal.

    Args:
        goals: Empty for the experiment's objectives, and then the knee.

    Raises:
        ResultsError: Nothing was measured that could be an answer.
    """
    lines: list[str] = []
    rows: list[Row] = []
    shown: list[Answer] = []
    for group in study.groups:
        answers = group.answers
        if goals:
            answers = answers_of(study.sweep, group.bundle, group.network, group.capability, goals)
        if not answers:
            continue
        shown += answers
        rows += rows_of(study, group, answers, () if goals else group.unanswered)
        lines += _printed(_table(group, answers))
        paragraphs = [answer_sentences(answer) for answer in answers]
        if not goals:
            paragraphs += [(unanswered(objective), []) for objective in group.unanswered]
            paragraphs += [answer_sentences(group.knee, answers)] if group.knee else []
        for lead, sentences in paragraphs:
            lines += textwrap.wrap(visible(" ".join([lead, *sentences])), _SENTENCES)
    _require(shown, study.sweep, goals)
    return [*summary_lines(study, rows), *lines]


def _require(answers: Sequence[Answer], sweep: Sweep, goals: Sequence[Goal]) -> None:
    if not answers:
        requested = goals or sweep.objectives
        raise ResultsError(f"{sweep.path} has no answer for {' or '.join(requested)}: {why_none(requested)}")


def _table(group: Group, answers: Sequence[Answer]) -> Table:
    title = visible(f"{group.title}, network {group.network.name}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("split", "latency ms", "samples/s", "at depth", "on the front"):
        table.add_column(head, justify="left" if head == "split" else "right", no_wrap=True)
    best = [answer.point.cell.id for answer in answers]
    for point in sorted(group.capability.points, key=lambda p: p.cell.id not in best):
        chance = "-" if point.probability is None else percent(point.probability)
        throughput = f"{'>= ' * point.is_bound}{plain(point.throughput)}"
        row = plain(point.latency, 1e3), throughput, str(point.cell.depth), chance
        table.add_row(visible(f"{point.split.where}{_note(point, answers)}"), *row)
    for b in group.baselines:
        table.add_row(visible(b.name), plain(b.latency, 1e3), plain(b.throughput), "-", "-")
    return table


def _note(point: Point, answers: Sequence[Answer]) -> str:
    """Mark a split as best or tied, with the objectives' names where there are several."""
    best = [a for a in answers if a.point.cell.id == point.cell.id]
    tied = [a for a in answers if point.cell.id in {p.cell.id for p in (*a.ties, *a.equivalents)}]

    def objectives(mine: Sequence[Answer]) -> str:
        return f" for {listed(a.objective for a in mine)}" if len(answers) > 1 else ""

    return (f" <- best{objectives(best)}" if best else "") + (f" (a tie{objectives(tied)})" if tied else "")
