"""How much two sides differ, cell by cell and over all cells, with an interval for each difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.comparison.pairs import Side, matched
from analysis.data.sweep import CellResult
from analysis.fronts.answers import Answer, all_answers
from analysis.fronts.fronts import front_of
from analysis.statistics.bootstrap import Floats, Resampling, factor
from analysis.statistics.estimates import NOTHING, Estimate, interval
from analysis.statistics.objectives import OBJECTIVES, Objective
from controller.results import Cell, ReferenceBox

__all__ = ["Comparison", "Difference", "Dominated", "Moved", "Overall", "Verdict", "compare"]

Verdict = Literal["better", "worse", "tie", "unknown"]
COMPARED: tuple[Objective, ...] = ("latency", "throughput", "payload", "memory")


@dataclass(frozen=True)
class Difference:
    """One figure of one cell on both sides.

    Attributes:
        factor: Of `b` over `a`.
        verdict: Of `b` against `a`; `tie` within noise, `unknown` where one has no interval.
    """

    objective: Objective
    cell_a: CellResult
    cell_b: CellResult
    a: Estimate
    b: Estimate
    factor: Estimate
    verdict: Verdict


@dataclass(frozen=True)
class Overall:
    """One figure over all cells of a bundle under a pair of networks.

    Attributes:
        factor: Geometric mean over cells of `b` over `a`; without an interval where a cell has one trial.
        counts: Cells by verdict.
    """

    bundle: str
    networks: tuple[str, str]
    objective: Objective
    factor: Estimate
    counts: dict[Verdict, int]


@dataclass(frozen=True)
class Moved:
    """The answer to one objective on both sides.

    Attributes:
        tie: Whether the best of `a` is within noise of the best of `b`, on `b`.
    """

    a: Answer
    b: Answer
    tie: bool


@dataclass(frozen=True)
class Dominated:
    """How much of one box the capability fronts of both sides dominate.

    Attributes:
        box: Of `a`; None where it has none, and then nothing is compared.
    """

    bundle: str
    networks: tuple[str, str]
    box: ReferenceBox | None
    a: Estimate
    b: Estimate


@dataclass(frozen=True)
class Comparison:
    """All that differs, and between what."""

    a: Side
    b: Side
    differences: tuple[Difference, ...]
    overall: tuple[Overall, ...]
    moved: tuple[Moved, ...]
    dominated: tuple[Dominated, ...]


def compare(a: Side, b: Side) -> Comparison:
    """Compare two sides.

    Raises:
        ComparisonError: They are not comparable.
    """
    pairs = matched(a, b)
    drawn = [(d, draws) for pair in pairs for d, draws in _differences(a, b, *pair)]
    groups: dict[tuple[str, tuple[str, str], Objective], list[tuple[Difference, Floats]]] = {}
    for d, draws in drawn:
        names = (d.cell_a.cell.network, d.cell_b.cell.network)
        groups.setdefault((d.cell_a.cell.bundle, names, d.objective), []).append((d, draws))
    return Comparison(
        a,
        b,
        tuple(d for d, _ in drawn),
        tuple(_overall(*key, found) for key, found in groups.items()),
        tuple(_moved(a, b)),
        tuple(_dominated(a, b, *key) for key in dict.fromkeys(key[:2] for key in groups)),
    )


def _differences(a: Side, b: Side, mine: CellResult, theirs: CellResult) -> list[tuple[Difference, Floats]]:
    differences = []
    for objective in COMPARED:
        figures = _figure(mine, objective), _figure(theirs, objective)
        if not figures[0].value or figures[1].value is None:
            continue
        # The side is in the key: what is drawn for one says nothing of the other.
        drawn_a, drawn_b = (
            Resampling(side.sweep.seed).draws(figure, f"{which} {cell.cell.id}")
            for which, side, cell, figure in zip("ab", (a, b), (mine, theirs), figures, strict=True)
        )
        draws = drawn_b / drawn_a
        times = factor(figures[1], figures[0], draws)
        difference = Difference(objective, mine, theirs, *figures, times, _verdict(times, objective))
        differences.append((difference, draws))
    return differences


def _figure(result: CellResult, objective: Objective) -> Estimate:
    if objective == "latency":
        return result.latency()
    if objective == "throughput":
        return result.throughput
    return result.payload if objective == "payload" else result.memory


def _verdict(times: Estimate, objective: Objective) -> Verdict:
    if times.low is None or times.high is None:
        return "unknown"
    if times.low <= 1 <= times.high:
        return "tie"
    return "better" if (times.low > 1) is OBJECTIVES[objective].maximise else "worse"


def _overall(
    bundle: str,
    networks: tuple[str, str],
    objective: Objective,
    drawn: Sequence[tuple[Difference, Floats]],
) -> Overall:
    counts: dict[Verdict, int] = {"better": 0, "worse": 0, "tie": 0, "unknown": 0}
    for d, _ in drawn:
        counts[d.verdict] += 1
    usable = [(d.factor.value, draws) for d, draws in drawn if d.factor.value]
    if not usable:
        return Overall(bundle, networks, objective, NOTHING, counts)
    middle = float(np.exp(np.mean(np.log([value for value, _ in usable]))))
    trials = min(d.factor.trials for d, _ in drawn)
    if counts["unknown"]:
        return Overall(bundle, networks, objective, Estimate(middle, None, None, trials, None), counts)
    low, high = interval(np.exp(np.mean(np.log([draws for _, draws in usable]), axis=0)))
    return Overall(bundle, networks, objective, Estimate(middle, low, high, trials, "bootstrap95"), counts)


def _dominated(a: Side, b: Side, bundle: str, networks: tuple[str, str]) -> Dominated:
    """Hypervolumes of two boxes cannot be compared, so the box of `a` is that of both."""
    box = a.sweep.box(bundle, networks[0])
    if box is None:
        return Dominated(bundle, networks, None, NOTHING, NOTHING)
    fronts = (
        front_of(side.sweep, "capability", bundle, network, box)
        for side, network in zip((a, b), networks, strict=True)
    )
    return Dominated(bundle, networks, box, *(front.hypervolume for front in fronts))


def _moved(a: Side, b: Side) -> list[Moved]:
    """Answers to the same question on both sides, where both have one."""
    answers = all_answers(a.sweep)
    others = answers if b.sweep is a.sweep else all_answers(b.sweep)
    theirs = {_question(b, answer): answer for answer in others}
    moved = []
    for mine in answers:
        other = theirs.get(_question(a, mine))
        if other is None or a.network not in (None, mine.network.name):
            continue
        near = [other.point, *other.ties]
        tie = any(_place(p.cell) == _place(mine.point.cell) for p in near)
        moved.append(Moved(mine, other, tie))
    return moved


def _question(side: Side, answer: Answer) -> tuple[str, ...]:
    if side.network is None:
        return answer.bundle, answer.objective, answer.network.name
    return answer.bundle, answer.objective, "" if answer.network.name == side.network else answer.network.name


def _place(cell: Cell) -> tuple[object, ...]:
    return cell.cuts, cell.devices, cell.batch, cell.codec, cell.topology, cell.threads, cell.backend
