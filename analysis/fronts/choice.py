"""The best of a network's splits for a goal, how sure that is, and which others are as good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.data.drifts import drift_variances
from analysis.data.sweep import Baseline, Sweep
from analysis.fronts.fronts import Point
from analysis.statistics.blocks import BLOCKS95, Fitted, Series, bare, fitted
from analysis.statistics.estimates import Estimate, estimate
from analysis.statistics.objectives import OBJECTIVES, Objective
from controller.results.metrics import power
from controller.statistics.certainty import Posterior

__all__ = ["Basis", "Choice", "Chooser", "Goal", "is_tie", "merit_of", "power_of"]

Goal = Objective | Literal["knee"]
"""What a split should be best at: one objective, or the knee of latency and throughput."""

_EXACT: tuple[Goal, ...] = ("payload", "accuracy")
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
        ties: The others that are not told apart from it, at the 95 % level.
        equivalents: The others that are, all of them and it together, 95 % surely within 2 % of the best.
        probability: That it is within 2 % of the best; None where nothing tells the noise.
        basis: None where that is exact or unknown.
    """

    point: Point
    ties: tuple[Point, ...] = ()
    equivalents: tuple[Point, ...] = ()
    probability: float | None = None
    basis: Basis | None = None


@dataclass(frozen=True)
class _Fit:
    """The figures of one goal, and what they may truly be.

    Attributes:
        plain: Without the drift that sentinels saw.
    """

    figures: Fitted
    posterior: Posterior
    plain: Posterior


class Chooser:
    """Chooses among the points of a capability front.

    The point that is chosen is the one that is most probably within 2 % of the best, so that the certainty
    stated is that of the point named. It is the one that measured best, but where that one's figure is much
    less certain than another's. A sweep that stops when it is sure (`controller.sweep.stopping`) uses the
    same statistics on fewer rows, without baselines and links, so it may be a little more or less sure.
    """

    def __init__(self, sweep: Sweep, bundle: str, network: str, points: Sequence[Point]) -> None:
        self._points = points
        self._results = {r.cell.id: r for r in sweep.of(bundle, network)}
        self._baselines = [b for b in sweep.baselines if (b.bundle, b.network) == (bundle, network)]
        self._drift = drift_variances(sweep, network)
        self._seed = sweep.seed
        self._fits: dict[Goal, _Fit | None] = {}

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
        if goal in _EXACT:
            most = merit_of(best, goal)
            best = next((p for p in before if merit_of(p, goal) == most), best)
            return Choice(
                best, tuple(p for p in points if p is not best and merit_of(p, goal) == most), (), 1.0
            )
        fit = self._fitted(goal)
        if fit is None:
            return Choice(best)
        rows = fit.figures.rows
        by_row = {rows[p.cell.id]: p for p in points if p.cell.id in rows}
        best = by_row[fit.posterior.chosen]
        same = [by_row[row] for row in fit.posterior.same()]
        return Choice(
            best,
            tuple(p for p in points if p is not best and self._tied(goal, best, p)),
            tuple(p for p in same if p is not best) if best in same else (),
            fit.posterior.probability,
            self._basis(fit),
        )

    def gain(self, objective: Objective, best: Point, other: Point | Baseline) -> Estimate:
        """How many times better the chosen point is than another, corrected for having been chosen."""
        mine, theirs = self._series(best, objective), self._series(other, objective)
        if not OBJECTIVES[objective].maximise:
            mine, theirs = theirs, mine
        fit = self._fitted(objective)
        if fit is None or not {mine.key, theirs.key} <= set(fit.figures.rows):
            return bare(mine.figure, theirs.figure)
        rows = fit.figures.rows
        gain = fit.posterior.gain(rows[_key(other)], over=rows[_key(best)])
        trials = min(mine.figure.trials, theirs.figure.trials)
        return Estimate(gain.factor, gain.low, gain.high, trials, BLOCKS95)

    def _tied(self, goal: Goal, best: Point, other: Point) -> bool:
        """The knee: by both of its figures."""
        objectives: tuple[Objective, ...] = ("latency", "throughput") if goal == "knee" else (goal,)
        gains = (self.gain(objective, best, other) for objective in objectives)
        return all(is_tie(gain) for gain in gains)

    def _fitted(self, goal: Goal) -> _Fit | None:
        if goal not in self._fits:
            self._fits[goal] = self._fit(goal)
        return self._fits[goal]

    def _fit(self, goal: Goal) -> _Fit | None:
        points = [p for p in self._points if merit_of(p, goal) is not None]
        series = [self._series(p, goal) for p in points]
        if goal in ("latency", "throughput"):
            series += [self._series(b, goal) for b in self._baselines]
        fit = fitted(series, maximise=goal in ("throughput", "knee"), seed=self._seed)
        candidates = {p.cell.id for p in points}
        if fit is None or candidates.isdisjoint(fit.rows):
            return None
        plain = posterior = fit.posterior(candidates)
        if self._drift and goal != "memory":
            widened = fit
            for names, variance in self._drift.items():
                widened = widened.drifting(names, variance)
            posterior = widened.posterior(candidates)
        return _Fit(fit, posterior, plain)

    def _series(self, what: Point | Baseline, goal: Goal) -> Series:
        if isinstance(what, Baseline):
            return Series(
                what.key, what.throughput if goal == "throughput" else what.latency, {what.device: 1.0}
            )
        latency = self._results[what.latency_cell.id].latency_shares
        throughput = self._results[what.cell.id].throughput_shares
        if goal == "latency":
            return Series(what.cell.id, what.latency, latency)
        if goal == "throughput":
            return Series(what.cell.id, what.throughput, throughput)
        if goal == "knee":
            both = {
                name: latency.get(name, 0.0) + throughput.get(name, 0.0) for name in {*latency, *throughput}
            }
            return Series(what.cell.id, _power_by_block(what), both)
        return Series(what.cell.id, what.figure(goal))

    def _basis(self, fit: _Fit) -> Basis:
        spread = fit.figures.spread
        names = {p.cell.id: p.split.where for p in self._points} | {b.key: b.name for b in self._baselines}
        keys = list(fit.figures.rows)
        return Basis(
            fit.figures.logs.shape[1],
            float(np.sqrt(np.median(spread.typical))),
            tuple(names[keys[row]] for row in np.flatnonzero(spread.outliers > 0.5)),
            float(np.mean(np.any(spread.drifts > 0, axis=1))),
            () if fit.posterior is fit.plain else tuple(names[0] for names in self._drift),
            float(fit.plain.sure[fit.posterior.chosen]),
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


def _power_by_block(point: Point) -> Estimate:
    latency = dict(zip(point.latency.blocks, point.latency.values, strict=True))
    rate = dict(zip(point.throughput.blocks, point.throughput.values, strict=True))
    both = [block for block in latency if block in rate]
    return estimate([power(latency[block], rate[block]) for block in both], both)


def is_tie(times: Estimate) -> bool | None:
    """Whether the interval of a factor holds 1; None without an interval."""
    if times.low is None or times.high is None:
        return None
    return times.low <= 1 <= times.high


def _key(what: Point | Baseline) -> str:
    return what.key if isinstance(what, Baseline) else what.cell.id
