"""The best of a network's splits for a goal, how sure that is, and which others are as good."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.data.sweep import Baseline, Sweep
from analysis.fronts.fronts import Point
from analysis.statistics.blocks import BLOCKS95, bare
from analysis.statistics.estimates import NOTHING, Estimate, estimate
from analysis.statistics.objectives import OBJECTIVES, Objective
from controller.results import TIMED, state_of
from controller.results.drifts import drift_variances
from controller.results.metrics import power
from controller.statistics.series import Answered, Series, answered

__all__ = ["Basis", "Choice", "Chooser", "Goal", "merit_of", "power_of"]

Goal = Objective | Literal["knee"]
"""What a split should be best at: one objective, or the knee of latency and throughput."""

EXACT: tuple[Goal, ...] = ("payload", "accuracy")
"""What trials do not vary."""


@dataclass(frozen=True)
class Basis:
    """What certainty rests on.

    Attributes:
        blocks: How many blocks the figures are of.
        noise: How much a figure typically differs from block to block, without what moves a whole block:
            standard deviation, relative.
        unsteady: Where splits cut, or names of baselines, whose figures differ much more than that.
        drift: The probability that a device's speed differed between blocks, by these figures alone.
        drifted: Devices and links whose sentinels were flagged.
        without_drift: How sure the choice would be had none been.
    """

    blocks: int
    noise: float
    unsteady: tuple[str, ...]
    drift: float
    drifted: tuple[str, ...]
    without_drift: float


@dataclass(frozen=True)
class Choice:
    """The best point for one goal.

    Attributes:
        ties: The others that are not told apart from it, at the level that all looks at the pair share.
        equivalents: The others that are, all of them and it together, 95 % surely within 2 % of the best.
        probability: That it is within 2 % of the best; None where nothing tells the noise.
        basis: None where that is exact or unknown.
    """

    point: Point
    ties: tuple[Point, ...] = ()
    equivalents: tuple[Point, ...] = ()
    probability: float | None = None
    basis: Basis | None = None


class Chooser:
    """Chooses among the points of a capability front.

    The point that is chosen is the one that is most probably within 2 % of the best, so that the certainty
    stated is that of the point named. It is the one that measured best, but where that one's figure is much
    less certain than another's. A sweep that stops when it is sure (`controller.sweep.stopping`) asks for the
    same answers, and gets the same certainty.
    """

    def __init__(self, sweep: Sweep, bundle: str, network: str, points: Sequence[Point]) -> None:
        self._points = points
        self._results = {r.cell.id: r for r in sweep.of(bundle, network)}
        self._baselines = [b for b in sweep.baselines if (b.bundle, b.network) == (bundle, network)]
        self._drifts = drift_variances(sweep.sentinels, sweep.found, network)
        self._seed = sweep.seed
        self._level_of_pair = sweep.wanted.level_of_pair
        self._answers: dict[Goal, Answered | None] = {}

    def choose(self, goal: Goal, before: Sequence[Point] = ()) -> Choice | None:
        """The best point; None where none has the figure.

        Args:
            before: Points chosen for other goals, which go before others with exactly the same figure.
        """
        points = [p for p in self._points if merit_of(p, goal) is not None]
        if not points:
            return None
        # Of equal ones one that is on the front, which may be by other figures than this one.
        whole = [p for p in points if power_of(p) is not None] or points
        best = max(whole, key=lambda p: (merit_of(p, goal) or 0.0, p.on_front))
        if goal in EXACT:
            most = merit_of(best, goal)
            best = next((p for p in before if merit_of(p, goal) == most), best)
            return Choice(
                best, tuple(p for p in points if p is not best and merit_of(p, goal) == most), (), 1.0
            )
        answer = self._answered(goal)
        if answer is None:
            return Choice(best)
        rows = answer.figures.rows
        by_row = {rows[p.cell.id]: p for p in points if p.cell.id in rows}
        best = by_row[answer.posterior.chosen]
        same = [by_row[row] for row in answer.posterior.same()]
        return Choice(
            best,
            tuple(p for p in points if p is not best and self._tied(goal, best, p)),
            tuple(p for p in same if p is not best) if best in same else (),
            answer.posterior.probability,
            self._basis(answer),
        )

    def gain(
        self, objective: Objective, best: Point, other: Point | Baseline, *, level: float = 0.95
    ) -> Estimate:
        """How many times better the chosen point is than another, corrected for having been chosen."""
        mine, theirs = self._series(best, objective), self._series(other, objective)
        if not OBJECTIVES[objective].maximise:
            mine, theirs = theirs, mine
        answer = self._answered(objective)
        if answer is None or not {mine.key, theirs.key} <= set(answer.figures.rows):
            if _only_apart(mine, theirs):
                return NOTHING
            return bare(*(estimate(list(each.figures.values())) for each in (mine, theirs)))
        rows = answer.figures.rows
        gain = answer.posterior.gain(rows[_key(other)], over=rows[_key(best)], level=level)
        trials = min(len(mine.figures), len(theirs.figures))
        return Estimate(gain.factor, gain.low, gain.high, trials, BLOCKS95)

    def is_tie(self, objective: Objective, best: Point, other: Point | Baseline) -> bool | None:
        """Whether they cannot be told apart, at the level that all looks share; None without an interval."""
        times = self.gain(objective, best, other, level=self._level_of_pair)
        if times.low is None or times.high is None:
            return None
        return times.low <= 1 <= times.high

    def _tied(self, goal: Goal, best: Point, other: Point) -> bool:
        """The knee: by both of its figures."""
        objectives: tuple[Objective, ...] = TIMED if goal == "knee" else (goal,)
        return all(self.is_tie(objective, best, other) for objective in objectives)

    def _answered(self, goal: Goal) -> Answered | None:
        if goal not in self._answers:
            points = [p for p in self._points if merit_of(p, goal) is not None]
            baselines = self._baselines if goal in TIMED else []
            self._answers[goal] = answered(
                [self._series(p, goal) for p in points],
                [self._series(b, goal) for b in baselines],
                maximise=goal in ("throughput", "knee"),
                drifts={} if goal == "memory" else self._drifts,
                seed=self._seed,
            )
        return self._answers[goal]

    def _series(self, what: Point | Baseline, goal: Goal) -> Series:
        if isinstance(what, Baseline):
            return what.series("throughput" if goal == "throughput" else "latency")
        unloaded, fastest = self._results[what.latency_cell.id], self._results[what.cell.id]
        if goal == "latency":
            return replace(unloaded.series("latency"), key=what.cell.id)
        if goal == "knee":
            return _power(unloaded.series("latency"), fastest.series("throughput"))
        return fastest.series(goal)

    def _basis(self, answer: Answered) -> Basis:
        spread = answer.figures.spread
        names = {p.cell.id: p.split.where for p in self._points} | {b.key: b.name for b in self._baselines}
        keys = list(answer.figures.rows)
        return Basis(
            answer.figures.logs.shape[1],
            spread.noise,
            tuple(names[keys[row]] for row in spread.unsteady),
            spread.drift_probability,
            () if answer.posterior is answer.plain else tuple(names[0] for names in self._drifts),
            float(answer.plain.sure[answer.posterior.chosen]),
        )


def merit_of(point: Point, goal: Goal) -> float | None:
    """A figure of which more is better."""
    if goal == "knee":
        return power_of(point)
    value = point.figure(goal).value
    return value if value is None or OBJECTIVES[goal].maximise else -value


def power_of(point: Point) -> float | None:
    """What the knee maximises; None where either figure is unknown."""
    if not point.latency.value or point.throughput.value is None:
        return None
    return power(point.latency.value, point.throughput.value)


def _power(latency: Series, rate: Series) -> Series:
    both = [block for block in latency.figures if block in rate.figures]
    return Series(
        rate.key,
        {block: power(latency.figures[block], rate.figures[block]) for block in both},
        {
            name: latency.shares.get(name, 0.0) + rate.shares.get(name, 0.0)
            for name in {*latency.shares, *rate.shares}
        },
    )


def _only_apart(mine: Series, theirs: Series) -> bool:
    """Whether one was measured before a change of a device, and the other after it."""
    before, after = ({state_of(block) for block in series.figures} for series in (mine, theirs))
    return bool(before and after) and before.isdisjoint(after)


def _key(what: Point | Baseline) -> str:
    return what.key if isinstance(what, Baseline) else what.cell.id
