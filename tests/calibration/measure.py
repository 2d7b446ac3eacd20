"""How true planted sweeps' answers are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from controller.statistics.block_model import fit_blocks
from controller.statistics.certainty import MARGIN, posterior
from controller.statistics.paired_differences import differences
from controller.statistics.repeated_looks import level_of_one_look
from controller.statistics.spread import moderated_spread
from tests.calibration.families import Planted, plant

__all__ = ["LEAST", "MOST", "Tally", "measure"]

LEAST, MOST, UNTIL = 3, 15, 0.95
_PAIRS = 6
"""Pairs that are compared in each sweep."""

Floats = NDArray[np.float64]


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


def measure(family: str, cells: int, blocks: int | None, sweeps: int, seed: int) -> Tally:
    """Plant sweeps and answer them.

    Args:
        blocks: Of every cell; None adds blocks until the answer is 95 % sure, 3 to 15.
    """
    tally = Tally()
    rng = np.random.default_rng((seed, cells, blocks or 0, *family.encode()))
    for _ in range(sweeps):
        sweep = plant(family, cells, blocks or MOST, rng)
        if blocks is None:
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
    figures = np.full_like(sweep.figures, np.nan)
    figures[:, :LEAST] = sweep.figures[:, :LEAST]
    for b in range(LEAST, MOST):
        fit = fit_blocks(figures[:, :b], sweep.shares)
        answer = posterior(fit, moderated_spread(fit, rng, 500), rng)
        wanted = answer.could_change(UNTIL)
        if not wanted.any():
            figures = figures[:, :b]
            break
        figures[wanted, b] = sweep.figures[wanted, b]
    _pooled(sweep, figures, tally, rng, level_of_one_look(tuple(range(LEAST, MOST + 1))))


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
