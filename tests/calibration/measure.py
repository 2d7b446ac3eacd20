"""How true planted sweeps' answers are: with pooled variances, or with the bootstrap of trials."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.bootstrap import Resampling, factor
from analysis.statistics.estimates import estimate
from controller.statistics.block_model import fit_blocks
from controller.statistics.certainty import MARGIN, posterior
from controller.statistics.paired_differences import differences
from controller.statistics.repeated_looks import level_of_one_look
from controller.statistics.spread import moderated_spread
from controller.sweep.stopping import answer_of
from tests.calibration.families import Planted, plant

__all__ = ["LEAST", "MOST", "Tally", "measure"]

LEAST, MOST, UNTIL = 3, 15, 0.95
_PAIRS = 6
"""Pairs that are compared in each sweep."""

Floats = NDArray[np.float64]
Method = Literal["pooled", "bootstrap"]


@dataclass
class Tally:
    """What was said of planted sweeps, and whether it was true.

    Attributes:
        sure: How sure each answer was.
        right: Whether its split was truly within 2 % of the best.
        called: Of pairs named beforehand that are truly equal, whether they were called different.
        called_chosen: The same of pairs of the chosen cell and another.
        held: Whether the interval of a pair named beforehand held the truth.
        held_chosen: The same of the chosen cell's gain.
        blocks: Trials a cell, averaged over a sweep.
    """

    sure: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    called: list[bool] = field(default_factory=list)
    called_chosen: list[bool] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    held_chosen: list[bool] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Pool with another one."""
        for name, values in vars(other).items():
            getattr(self, name).extend(values)

    def decile(self, low: float, high: float) -> tuple[int, float, float]:
        """Answers that are at least `low` and less than `high` sure: count, mean certainty, share right."""
        sure, right = np.array(self.sure), np.array(self.right)
        here = (sure >= low) & (sure < high)
        if not here.any():
            return 0, np.nan, np.nan
        return int(here.sum()), float(sure[here].mean()), float(right[here].mean())


def measure(
    family: str, cells: int, blocks: int | None, sweeps: int, seed: int, method: Method = "pooled"
) -> Tally:
    """Plant sweeps and answer them.

    Args:
        blocks: Of every cell; None adds blocks until the answer is 95 % sure, 3 to 15.
    """
    tally = Tally()
    rng = np.random.default_rng((seed, cells, blocks or 0, *family.encode()))
    for _ in range(sweeps):
        sweep = plant(family, cells, blocks or MOST, rng)
        if method == "bootstrap":
            _bootstrapped(sweep, tally, rng)
        elif blocks is None:
            _pooled_until(sweep, tally, rng)
        else:
            _pooled(sweep, sweep.figures, tally, rng, level=0.95)
    return tally


def _pooled(sweep: Planted, figures: Floats, tally: Tally, rng: np.random.Generator, level: float) -> None:
    fit = fit_blocks(figures, sweep.shares)
    spread = moderated_spread(fit, rng, 500)
    answer = posterior(fit, spread, rng)
    _record(sweep, tally, answer.chosen, answer.probability)
    tally.blocks.append(float(fit.blocks.mean()))
    pairs = _pairs(len(figures), rng)
    called = differences(fit, spread, pairs, level)
    shown = called if level == UNTIL else differences(fit, spread, pairs)
    for (a, b), call, interval in zip(pairs, called, shown, strict=True):
        truth = sweep.truth[a] - sweep.truth[b]
        tally.held.append(interval.low <= truth <= interval.high)
        if truth == 0:
            tally.called.append(not call.low <= 0 <= call.high)
    for other in _others(len(figures), answer.chosen, rng):
        gain = answer.gain(other)
        _record_gain(sweep, tally, answer.chosen, other, gain.low, gain.high)


def _pooled_until(sweep: Planted, tally: Tally, rng: np.random.Generator) -> None:
    """Add blocks by the rule that sweeps stop by (`controller.sweep.stopping`)."""
    figures = np.full_like(sweep.figures, np.nan)
    figures[:, :LEAST] = sweep.figures[:, :LEAST]
    for b in range(LEAST, MOST):
        answer = answer_of(figures[:, :b], sweep.shares, rng)
        assert answer is not None
        wanted = answer.could_change(UNTIL)
        if not wanted.any():
            figures = figures[:, :b]
            break
        # A sweep's two ends are in every block.
        wanted[[0, -1]] = True
        figures[wanted, b] = sweep.figures[wanted, b]
    _pooled(sweep, figures, tally, rng, level_of_one_look(tuple(range(LEAST, MOST + 1))))


def _bootstrapped(sweep: Planted, tally: Tally, rng: np.random.Generator) -> None:
    figures = [estimate(list(np.exp(row))) for row in sweep.figures]
    draws = [Resampling(resamples=400).draws(figure, str(cell)) for cell, figure in enumerate(figures)]
    drawn = np.array(draws)
    chosen = int(np.argmin([figure.value or np.inf for figure in figures]))
    _record(sweep, tally, chosen, float(np.mean(drawn[chosen] <= drawn.min(axis=0))))
    tally.blocks.append(float(sweep.figures.shape[1]))
    for a, b in _pairs(len(figures), rng):
        times = factor(figures[a], figures[b], drawn[a] / drawn[b])
        truth = np.exp(sweep.truth[a] - sweep.truth[b])
        assert times.low is not None and times.high is not None
        tally.held.append(times.low <= truth <= times.high)
        if truth == 1:
            tally.called.append(not times.low <= 1 <= times.high)
    for other in _others(len(figures), chosen, rng):
        times = factor(figures[other], figures[chosen], drawn[other] / drawn[chosen])
        assert times.low is not None and times.high is not None
        _record_gain(sweep, tally, chosen, other, times.low, times.high)


def _pairs(cells: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.array([rng.permutation(cells)[:2] for _ in range(1 if cells == 2 else _PAIRS)])


def _others(cells: int, chosen: int, rng: np.random.Generator) -> list[int]:
    return [int(cell) for cell in rng.permutation(cells) if cell != chosen][:_PAIRS]


def _record(sweep: Planted, tally: Tally, chosen: int, probability: float) -> None:
    tally.sure.append(probability)
    tally.right.append(bool(sweep.truth[chosen] <= sweep.truth.min() + np.log1p(MARGIN)))


def _record_gain(sweep: Planted, tally: Tally, chosen: int, other: int, low: float, high: float) -> None:
    truth = np.exp(sweep.truth[other] - sweep.truth[chosen])
    tally.held_chosen.append(bool(low <= truth <= high))
    if truth == 1:
        tally.called_chosen.append(not low <= 1 <= high)
