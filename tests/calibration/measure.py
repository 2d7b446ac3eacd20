"""How true planted sweeps' answers are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.results import TrialsWanted
from controller.statistics.certainty import MARGIN
from controller.statistics.paired_differences import differences
from controller.statistics.series import Answered, Series, answered
from tests.calibration import files
from tests.calibration.families import Floats, Planted, plant

__all__ = ["LEAST", "MOST", "Tally", "Through", "measure"]

LEAST, MOST, UNTIL = 3, 15, 0.95
_PAIRS = 6
"""Pairs that are compared in each sweep."""


@dataclass(frozen=True)
class Through:
    """A results file that planted sweeps go through, one after the other, and the objective that is read."""

    path: Path
    objective: str = "latency"


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
    family: str, cells: int, blocks: int | None, sweeps: int, seed: int, through: Through | None = None
) -> Tally:
    """Plant sweeps and answer them.

    Args:
        blocks: Of every cell; None adds blocks until the answer is 95 % sure, 3 to 15.
        through: Write each sweep to a results file and let the command line answer; None: in memory.
    """
    tally = Tally()
    rng = np.random.default_rng((seed, cells, blocks or 0, *family.encode()))
    wanted = None if blocks else TrialsWanted(LEAST, MOST, UNTIL)
    level = wanted.level_of_pair if wanted else UNTIL
    for _ in range(sweeps):
        sweep = plant(family, cells, blocks or MOST, rng)
        figures = sweep.figures if blocks else _until(sweep, rng)
        if through is None:
            _pooled(sweep, figures, tally, rng, level)
        else:
            answer = files.answer_of(files.write(through.path, sweep, figures, wanted), through.objective)
            _read_back(sweep, figures, tally, rng, answer)
    return tally


def _pooled(sweep: Planted, figures: Floats, tally: Tally, rng: np.random.Generator, level: float) -> None:
    found = _answered(sweep, figures, rng)
    fit, spread, answer = found.figures.fit, found.figures.spread, found.posterior
    _record(sweep, tally, answer.chosen, answer.probability)
    tally.blocks.append(float(fit.blocks.mean()))
    pairs = _pairs(len(figures), rng)
    called = differences(fit, spread, pairs, level)
    shown = called if level == UNTIL else differences(fit, spread, pairs, UNTIL)
    for (a, b), call, interval in zip(pairs, called, shown, strict=True):
        truth = sweep.truth[a] - sweep.truth[b]
        tally.held.append(interval.low <= truth <= interval.high)
        if truth == 0:
            tally.called.append(not call.low <= 0 <= call.high)
    for other in _others(len(figures), answer.chosen, rng):
        gain = answer.gain(other, over=answer.chosen, level=UNTIL)
        truth = np.exp(sweep.truth[other] - sweep.truth[answer.chosen])
        tally.held_chosen.append(bool(gain.low <= truth <= gain.high))
        if truth == 1:
            at_level = answer.gain(other, over=answer.chosen, level=level)
            tally.called_chosen.append(not at_level.low <= 1 <= at_level.high)


def _answered(sweep: Planted, figures: Floats, rng: np.random.Generator) -> Answered:
    """By the statistics that sweeps and reports use."""
    series = []
    for cell, row in enumerate(figures):
        shares = {} if sweep.shares is None else dict(enumerate(map(float, sweep.shares[cell])))
        by_block = {int(block): float(np.exp(row[block])) for block in np.flatnonzero(~np.isnan(row))}
        series.append(Series(str(cell), by_block, {f"device {i}": share for i, share in shares.items()}))
    found = answered(series, (), maximise=False, drifts={}, seed=int(rng.integers(2**32)))
    assert found is not None
    return found


def _until(sweep: Planted, rng: np.random.Generator) -> Floats:
    """The figures that a sweep takes by the rule that sweeps stop by (`controller.sweep.stopping`)."""
    figures = np.full_like(sweep.figures, np.nan)
    figures[:, :LEAST] = sweep.figures[:, :LEAST]
    for b in range(LEAST, MOST):
        wanted = _answered(sweep, figures[:, :b], rng).posterior.could_change(UNTIL)
        if not wanted.any():
            return figures[:, :b]
        # A sweep's two ends are in every block.
        wanted[[0, -1]] = True
        figures[wanted, b] = sweep.figures[wanted, b]
    return figures


def _read_back(
    sweep: Planted, figures: Floats, tally: Tally, rng: np.random.Generator, answer: Mapping[str, Any]
) -> None:
    """The same of what `python -m analysis best --json` says of a results file."""
    cells = {cell.cuts: i for i, cell in enumerate(files.cells_of(sweep))}
    chosen = cells[tuple(answer["cuts"])]
    _record(sweep, tally, chosen, answer["probability_best"])
    tally.blocks.append(float(np.mean(np.sum(~np.isnan(figures), axis=1))))
    ends: dict[str, tuple[int, ...]] = {"stay": (len(cells) + 1,), "offload": (0,)}
    names_of_ends = {ends["stay"]: "everything on pi", ends["offload"]: "raw input to server"}
    intervals = {cells[ends[gain["over"]]]: gain["factor"] for gain in answer["gains"]}
    for other, times in intervals.items():
        truth = np.exp(sweep.truth[other] - sweep.truth[chosen])
        tally.held_chosen.append(bool(times["low"] <= truth <= times["high"]))
    names = [names_of_ends.get(cuts, f"split.{i}") for cuts, i in cells.items()]
    for other in _others(len(cells), chosen, rng):
        if sweep.truth[other] == sweep.truth[chosen]:
            tally.called_chosen.append(names[other] not in answer["tied_with"])


def _pairs(cells: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.array([rng.permutation(cells)[:2] for _ in range(1 if cells == 2 else _PAIRS)])


def _others(cells: int, chosen: int, rng: np.random.Generator) -> list[int]:
    return [int(cell) for cell in rng.permutation(cells) if cell != chosen][:_PAIRS]


def _record(sweep: Planted, tally: Tally, chosen: int, probability: float) -> None:
    tally.sure.append(probability)
    tally.right.append(bool(sweep.truth[chosen] <= sweep.truth.min() + np.log1p(MARGIN)))
