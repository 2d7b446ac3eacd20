"""The best split of a few that were measured, for a terminal: a table, and what can be said of it."""

import shutil
import textwrap
from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.data.sweep import Baseline, Sweep
from analysis.errors import ResultsError
from analysis.fronts.answers import Answer, Goal, answers, as_json
from analysis.fronts.fronts import front_of
from analysis.report.words import answer_sentences, percent, plain

__all__ = ["GOALS", "best_as_json", "best_of", "show_best"]

GOALS: tuple[Goal, ...] = ("latency", "throughput", "knee")
_WIDTH = 130
_SENTENCES = 100


def best_of(sweep: Sweep, objective: str) -> list[Answer]:
    """The answer for each model and network.

    Raises:
        ResultsError: No such objective, or nothing was measured that could answer it.
    """
    if objective not in GOALS:
        raise ResultsError(f"--objective {objective}: it is one of {', '.join(GOALS)}")
    found = [answer for answer in answers(sweep) if answer.objective == objective]
    if not found:
        raise ResultsError(f"{sweep.path} has no split with enough trials for an answer; finish the sweep")
    return found


def best_as_json(sweep: Sweep, found: Sequence[Answer]) -> list[dict[str, object]]:
    """The answers as plain values; `at` is what `exporter split --at` takes, null where nothing is cut."""
    told = []
    for answer, values in zip(found, as_json(sweep, found), strict=True):
        whole = sweep.node_count(answer.bundle)
        inner = [cut for cut in dict.fromkeys(answer.point.cell.cuts) if 0 < cut < whole]
        told.append({**values, "at": ",".join(map(str, inner)) or None})
    return told


def show_best(sweep: Sweep, found: Sequence[Answer]) -> str:
    """What was measured beside each answer, and how sure it is, as lines for a terminal."""
    width = max(_WIDTH, shutil.get_terminal_size().columns)
    console = Console(file=StringIO(), highlight=False, markup=False, emoji=False, width=width)
    for answer in found:
        console.print(_table(sweep, answer))
        lead, sentences = answer_sentences(answer)
        for line in textwrap.wrap(" ".join([lead, *sentences]), _SENTENCES):
            console.print(line, markup=False)
    lines = console.file.getvalue().splitlines() if isinstance(console.file, StringIO) else []
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _table(sweep: Sweep, answer: Answer) -> Table:
    title = f"{sweep.title(answer.bundle)}, network {answer.network.name}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("split", "latency ms", "samples/s", "at depth", "on the front"):
        table.add_column(head, justify="left" if head == "split" else "right", no_wrap=True)
    best = answer.point.cell.id
    ties = {point.cell.id for point in answer.ties}
    front = front_of(sweep, "capability", answer.bundle, answer.network.name)
    for point in sorted(front.points, key=lambda p: p.cell.id != best):
        note = " <- best" if point.cell.id == best else " (a tie)" if point.cell.id in ties else ""
        chance = "-" if point.probability is None else percent(point.probability)
        row = plain(point.latency, 1e3), plain(point.throughput), str(point.cell.depth), chance
        table.add_row(f"{point.split.where}{note}", *row)
    for baseline in sweep.baselines:
        if baseline.bundle == answer.bundle:
            table.add_row(*_alone(baseline), "-", "-")
    return table


def _alone(baseline: Baseline) -> tuple[str, str, str]:
    name = f"{baseline.device} alone, without edgecut"
    return name, plain(baseline.latency, 1e3), plain(baseline.throughput)
