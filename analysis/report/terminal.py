"""Answers for a terminal: a line for each network, or a table of all that was measured."""

import shutil
import textwrap
from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.data.sweep import Sweep
from analysis.errors import ResultsError
from analysis.fronts.answers import Answer, Goal, as_json
from analysis.report.words import answer_sentences, percent, plain, why_none
from analysis.study import Group, Study

__all__ = ["GOALS", "best_as_json", "best_of", "one_line", "show_best"]

GOALS: tuple[Goal, ...] = ("latency", "throughput", "knee")
_WIDTH = 130
_SENTENCES = 100


def one_line(study: Study, group: Group) -> str:
    """The answers of one model under one network, as a line."""
    head = f"{group.network.name} ({group.title})"
    if not group.answers:
        return f"{head}: no answer yet, {why_none(study.sweep)}"
    parts = []
    for answer in group.answers:
        p = answer.point
        latency = f"{(p.latency.value or 0) * 1e3:.3g} ms"
        throughput = f"{'>= ' * p.is_bound}{p.throughput.value or 0:.3g}/s at depth {p.cell.depth}"
        figures: dict[Goal, str] = {
            "latency": latency,
            "throughput": throughput,
            "knee": f"{latency}, {throughput}",
            "accuracy": f"{p.accuracy or 0:.4f}",
            "payload": f"{(p.payload.value or 0) / 1e3:.3g} kB a sample",
            "memory": f"{(p.memory.value or 0) / 1e6:.3g} MB",
        }
        goal = answer.objective
        parts.append(f"{goal}: {p.split.where} [{p.split.kind}] {figures[goal]}")
    return f"{head}: " + "; ".join(parts)


def best_of(sweep: Sweep, answers: Sequence[Answer], objective: str) -> list[Answer]:
    """The answer for each model and network.

    Raises:
        ResultsError: No such objective, or nothing was measured that could answer it.
    """
    if objective not in GOALS:
        raise ResultsError(f"--objective {objective}: it is one of {', '.join(GOALS)}")
    chosen = [answer for answer in answers if answer.objective == objective]
    if not chosen:
        raise ResultsError(f"{sweep.path} has no split with enough trials for an answer; finish the sweep")
    return chosen


def best_as_json(sweep: Sweep, answers: Sequence[Answer]) -> list[dict[str, object]]:
    """The answers as plain values; `at` is what `exporter split --at` takes, null where nothing is cut."""
    entries = []
    for answer, values in zip(answers, as_json(sweep, answers), strict=True):
        whole = sweep.node_count(answer.bundle)
        inner = [cut for cut in dict.fromkeys(answer.point.cell.cuts) if 0 < cut < whole]
        entries.append({**values, "at": ",".join(map(str, inner)) or None})
    return entries


def show_best(study: Study, objective: str) -> str:
    """What was measured beside each answer, and how sure it is, as lines for a terminal."""
    width = max(_WIDTH, shutil.get_terminal_size().columns)
    text = StringIO()
    console = Console(file=text, highlight=False, markup=False, emoji=False, width=width)
    for group in study.groups:
        for answer in (a for a in group.answers if a.objective == objective):
            console.print(_table(group, answer))
            lead, sentences = answer_sentences(answer)
            for line in textwrap.wrap(" ".join([lead, *sentences]), _SENTENCES):
                console.print(line, markup=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def _table(group: Group, answer: Answer) -> Table:
    title = f"{group.title}, network {group.network.name}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("split", "latency ms", "samples/s", "at depth", "on the front"):
        table.add_column(head, justify="left" if head == "split" else "right", no_wrap=True)
    best = answer.point.cell.id
    ties = {point.cell.id for point in (*answer.ties, *answer.equivalents)}
    for point in sorted(group.capability.points, key=lambda p: p.cell.id != best):
        note = " <- best" if point.cell.id == best else " (a tie)" if point.cell.id in ties else ""
        chance = "-" if point.probability is None else percent(point.probability)
        throughput = f"{'>= ' * point.is_bound}{plain(point.throughput)}"
        row = plain(point.latency, 1e3), throughput, str(point.cell.depth), chance
        table.add_row(f"{point.split.where}{note}", *row)
    for b in group.baselines:
        table.add_row(b.name, plain(b.latency, 1e3), plain(b.throughput), "-", "-")
    return table
