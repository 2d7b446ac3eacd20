"""How much two sides differ, cell by cell and over all cells, with an interval for each difference.

Many cells are compared at once, and one in twenty equal ones would be called different at 95 %. Verdicts
therefore control the false discovery rate: of all that is called better or worse, at most 5 % is wrong on
average. An interval is that of its cell alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis.comparison.pairs import Side, cell_in_other_names, in_the_names_of, matched
from analysis.data.sweep import CellResult
from analysis.fronts.answers import Answer, all_answers
from analysis.fronts.fronts import front_of
from analysis.statistics.blocks import bare, factor_of
from analysis.statistics.estimates import NOTHING, Estimate, ratio
from analysis.statistics.objectives import OBJECTIVES, Objective
from analysis.statistics.unpaired import Unpaired
from controller.results import Cell, ReferenceBox
from controller.statistics.paired_differences import Difference as LogDifference
from controller.statistics.repeated_looks import false_discovery
from controller.statistics.series import fitted

__all__ = ["Comparison", "Difference", "Dominated", "Moved", "Overall", "Verdict", "compare"]

Verdict = Literal["better", "worse", "tie", "unknown"]
COMPARED: tuple[Objective, ...] = ("latency", "throughput", "payload", "memory")
_EXACT: tuple[Objective, ...] = ("payload",)
"""What trials do not vary."""
_FALSE = 0.05
"""Share of what is called better or worse that may be wrong."""


@dataclass(frozen=True)
class Difference:
    """One figure of one cell on both sides.

    Attributes:
        factor: Of `b` over `a`, with the interval of this cell alone.
        p_adjusted: The rate of false discoveries if this, and all that are as clear, are called different;
            None where trials do not vary the figure, or nothing tells the noise.
        verdict: Of `b` against `a`; `tie` within noise, `unknown` where one has a single trial.
    """

    objective: Objective
    cell_a: CellResult
    cell_b: CellResult
    a: Estimate
    b: Estimate
    factor: Estimate
    p_adjusted: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Overall:
    """One figure over all cells of a bundle under a pair of networks.

    Attributes:
        factor: Geometric mean over cells of `b` over `a`; without an interval where nothing tells the noise.
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
        same: Whether both are the same split.
        tie: Whether the best of `a` is not told apart from the best of `b`, or as good as it, on `b`.
    """

    a: Answer
    b: Answer
    same: bool
    tie: bool

    @property
    def word(self) -> str:
        """What became of the answer."""
        return "same" if self.same else "moved, within noise" if self.tie else "moved"


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


_Pair = tuple[CellResult, CellResult]
_Key = tuple[str, tuple[str, str]]
"""A bundle and its networks on both sides."""


def compare(a: Side, b: Side) -> Comparison:
    """Compare two sides; devices are matched by name, or else by their position in the lab.

    Raises:
        ComparisonError: They are not comparable.
    """
    b = in_the_names_of(a, b)
    groups: dict[_Key, list[_Pair]] = {}
    for mine, theirs in matched(a, b):
        key = mine.cell.bundle, (mine.cell.network, theirs.cell.network)
        groups.setdefault(key, []).append((mine, theirs))
    models = {
        (key, objective): _unpaired(a, b, objective, pairs)
        for key, pairs in groups.items()
        for objective in COMPARED
        if objective not in _EXACT
    }
    differences = _judged(
        [
            _difference(objective, pair, models.get((key, objective)))
            for key, pairs in groups.items()
            for pair in pairs
            for objective in COMPARED
            if _figure(pair[0], objective).value and _figure(pair[1], objective).value is not None
        ]
    )
    by_objective: dict[tuple[_Key, Objective], list[Difference]] = {}
    for d in differences:
        key = d.cell_a.cell.bundle, (d.cell_a.cell.network, d.cell_b.cell.network)
        by_objective.setdefault((key, d.objective), []).append(d)
    return Comparison(
        a,
        b,
        differences,
        tuple(_overall(*at, members, models.get(at)) for at, members in by_objective.items()),
        tuple(_moved(a, b)),
        tuple(_dominated(a, b, *key) for key in groups),
    )


def _unpaired(a: Side, b: Side, objective: Objective, pairs: Sequence[_Pair]) -> Unpaired | None:
    """Both sides' figures, fitted; None where nothing tells the noise of one."""
    fits = [
        fitted(
            [r.series(objective) for r in results],
            maximise=OBJECTIVES[objective].maximise,
            seed=side.sweep.seed,
        )
        for side, results in zip((a, b), zip(*pairs, strict=True), strict=True)
    ]
    return Unpaired(fits[0], fits[1]) if fits[0] and fits[1] else None


def _difference(objective: Objective, pair: _Pair, model: Unpaired | None) -> Difference:
    """Not judged yet: its p-value is its own."""
    a, b = (_figure(result, objective) for result in pair)
    keys = pair[0].cell.id, pair[1].cell.id
    if objective in _EXACT:
        return Difference(objective, *pair, a, b, ratio(b, a), None, "unknown")
    if model is None or not model.has(*keys):
        return Difference(objective, *pair, a, b, bare(b, a), None, "unknown")
    difference = model.difference([keys])
    return Difference(
        objective, *pair, a, b, _factor(difference, objective, a, b), difference.p_value, "unknown"
    )


def _factor(difference: LogDifference, objective: Objective, *figures: Estimate) -> Estimate:
    """The factor of a difference between logarithms of which less is better."""
    trials = min(figure.trials for figure in figures)
    if OBJECTIVES[objective].maximise:
        return factor_of(-difference.value, -difference.high, -difference.low, trials)
    return factor_of(difference.value, difference.low, difference.high, trials)


def _judged(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """With p-values adjusted for their number, and a verdict each."""
    p_values = [np.nan if d.p_adjusted is None else d.p_adjusted for d in differences]
    adjusted = false_discovery(np.array(p_values, dtype=np.float64))
    return tuple(
        replace(d, p_adjusted=None if np.isnan(p) else float(p), verdict=_verdict(d, float(p)))
        for d, p in zip(differences, adjusted, strict=True)
    )


def _verdict(d: Difference, p_adjusted: float) -> Verdict:
    if d.factor.value is None or d.factor.low is None or d.factor.high is None:
        return "unknown"
    is_tie = d.factor.low <= 1 <= d.factor.high if d.objective in _EXACT else p_adjusted > _FALSE
    if is_tie:
        return "tie"
    return "better" if (d.factor.value > 1) is OBJECTIVES[d.objective].maximise else "worse"


def _figure(result: CellResult, objective: Objective) -> Estimate:
    if objective == "latency":
        return result.latency()
    if objective == "throughput":
        return result.throughput
    return result.payload if objective == "payload" else result.memory


def _overall(
    key: _Key, objective: Objective, differences: Sequence[Difference], model: Unpaired | None
) -> Overall:
    counts: dict[Verdict, int] = {"better": 0, "worse": 0, "tie": 0, "unknown": 0}
    for d in differences:
        counts[d.verdict] += 1
    usable = [d for d in differences if d.factor.value]
    if not usable:
        return Overall(*key, objective, NOTHING, counts)
    bounds = [
        [1.0 if bound is None else bound for bound in (d.factor.value, d.factor.low, d.factor.high)]
        for d in usable
    ]
    middle, low, high = map(float, np.exp(np.mean(np.log(bounds), axis=0)))
    trials = min(d.factor.trials for d in differences)
    if counts["unknown"]:
        return Overall(*key, objective, Estimate(middle, None, None, trials, None), counts)
    if model is None:
        return Overall(*key, objective, Estimate(middle, low, high, trials, usable[0].factor.kind), counts)
    difference = model.difference([(d.cell_a.cell.id, d.cell_b.cell.id) for d in usable])
    return Overall(*key, objective, _factor(difference, objective, *(d.factor for d in differences)), counts)


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
    others = answers if b.sweep is a.sweep else all_answers(b.sweep, a.sweep.objectives)
    theirs = {_question(b, answer): answer for answer in others}
    moved = []
    for mine in answers:
        other = theirs.get(_question(a, mine))
        if other is None or a.network not in (None, mine.network.name):
            continue
        near = [other.point, *other.ties, *other.equivalents]
        places = [_place(cell_in_other_names(b, p.cell)) for p in near]
        place = _place(mine.point.cell)
        moved.append(Moved(mine, other, place == places[0], place in places))
    return moved


def _question(side: Side, answer: Answer) -> tuple[str, ...]:
    if side.network is None:
        return answer.bundle, answer.objective, answer.network.name
    return answer.bundle, answer.objective, "" if answer.network.name == side.network else answer.network.name


def _place(cell: Cell) -> tuple[object, ...]:
    return cell.cuts, cell.devices, cell.batch, cell.codec, cell.topology, cell.threads, cell.backend
