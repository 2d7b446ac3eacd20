"""Figures of one network's cells and baselines over its blocks, and the answer that they give.

A block visits every cell within minutes, so cells are compared block by block, and what moves a whole block
moves no comparison. A sweep that stops when its answers are sure, and the report on it, both ask here: for
the same trials they get the same certainty.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from controller.statistics.block_model import BlockFit, fit_blocks
from controller.statistics.certainty import Posterior, posterior
from controller.statistics.paired_differences import Difference, differences
from controller.statistics.spread import Spread, moderated_spread

__all__ = ["Answered", "Figure", "Fitted", "Series", "answered", "fitted"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure of one trial.

    Attributes:
        value: None where the trial could not give it.
        shares: By device or link, how much of its changes the figure takes part in.
    """

    block: int
    value: float | None
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """A figure of one cell, or of one baseline, by block.

    Attributes:
        shares: Mean over its trials, see `Figure`.
    """

    key: str
    figures: Mapping[int, float]
    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, key: str, trials: Iterable[Figure]) -> "Series":
        """The series of some trials; empty where one could not give the figure: over fewer it is another."""
        trials = list(trials)
        shares: dict[str, float] = {}
        for trial in trials:
            for name, share in trial.shares.items():
                shares[name] = shares.get(name, 0.0) + share / len(trials)
        known = {trial.block: trial.value for trial in trials if trial.value is not None}
        return cls(key, known if len(known) == len(trials) else {}, shares)


@dataclass(frozen=True)
class Fitted:
    """Figures of one network, fitted to its blocks.

    Attributes:
        rows: The place of each series in all arrays, by its key.
        shares: [series], by device or link.
        logs: [series, block], logarithms of which less is better; NaN where a series has no figure.
        sign: -1 where more of the figure is better, else 1.
        level: Of the interval of a difference.
    """

    rows: Mapping[str, int]
    shares: Sequence[Mapping[str, float]]
    logs: Floats
    sign: int
    fit: BlockFit
    spread: Spread
    seed: int
    level: float

    def posterior(self, candidates: Collection[str]) -> Posterior:
        """What the true figures may be, and which candidate is the best.

        Args:
            candidates: Keys of series; at least one.
        """
        among = np.array([key in candidates for key in self.rows])
        return posterior(self.fit, self.spread, np.random.default_rng(self.seed), among)

    def difference(self, mine: str, theirs: str) -> Difference:
        """How much more one log figure is than another, both named beforehand."""
        pairs = np.array([[self.rows[mine], self.rows[theirs]]])
        (difference,) = differences(self.fit, self.spread, pairs, self.level)
        return difference

    def drifting(self, names: Collection[str], variance: float) -> "Fitted":
        """The same where the speed of a device, or link, is known to differ between blocks.

        Args:
            names: Of the device, or of both directions of the link.
            variance: Of its logarithm, in the mean over blocks, times blocks.
        """
        shares = np.array([sum(each.get(name, 0.0) for name in names) for each in self.shares])
        loads = np.column_stack([self.fit.drift_loads, shares - shares.mean()])
        drifts = np.column_stack([self.spread.drifts, np.full(len(self.spread.drifts), variance)])
        return replace(
            self, fit=replace(self.fit, drift_loads=loads), spread=replace(self.spread, drifts=drifts)
        )


def fitted(series: Sequence[Series], *, maximise: bool, seed: int, level: float = 0.95) -> Fitted | None:
    """Fit figures to their blocks; None where nothing tells their noise, as with one block, or where some
    figures share no block with the others, not even through third ones: then what differs may be the blocks.

    Args:
        series: Those without a positive figure are left out.
        seed: Of what is drawn.
        level: Of the interval of a difference; `TrialsWanted.level_of_pair` in a sweep that looked at it.
    """
    usable = [s for s in series if s.figures and min(s.figures.values()) > 0]
    blocks = sorted({block for s in usable for block in s.figures})
    if len(blocks) < 2:
        return None
    sign = -1 if maximise else 1
    logs = np.full((len(usable), len(blocks)), np.nan)
    for row, s in enumerate(usable):
        logs[row, np.searchsorted(blocks, list(s.figures))] = sign * np.log(list(s.figures.values()))
    if not _is_connected(~np.isnan(logs)):
        return None
    shares = [s.shares for s in usable]
    fit = fit_blocks(logs, _strongest(shares))
    try:
        spread = moderated_spread(fit, np.random.default_rng(seed))
    except ValueError:
        return None
    rows = {s.key: row for row, s in enumerate(usable)}
    return Fitted(rows, shares, logs, sign, fit, spread, seed, level)


def _is_connected(has: NDArray[np.bool_]) -> bool:
    """Whether shared blocks lead from each series to each other one.

    Args:
        has: [series, block].
    """
    reached, known = {0}, 0
    while len(reached) > known:
        known = len(reached)
        blocks = has[sorted(reached)].any(axis=0)
        reached = set(np.flatnonzero(has[:, blocks].any(axis=1)))
    return known == len(has)


def _strongest(shares: Sequence[Mapping[str, float]]) -> Floats | None:
    """[series, device]: in as many directions as one for four series.

    Each direction in which devices move figures apart takes a degree of freedom from every block.
    """
    names = sorted({name for each in shares for name in each})
    if not names:
        return None
    table = np.array([[each.get(name, 0.0) for name in names] for each in shares])
    left, scales, right = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    scales[len(shares) // 4 :] = 0.0
    strongest: Floats = (left * scales) @ right
    return strongest


@dataclass(frozen=True)
class Answered:
    """The figures of one network, and what they may truly be.

    Attributes:
        plain: Without the drift that sentinels saw.
    """

    figures: Fitted
    posterior: Posterior
    plain: Posterior


def answered(
    candidates: Sequence[Series],
    others: Sequence[Series],
    *,
    maximise: bool,
    drifts: Mapping[tuple[str, ...], float],
    seed: int = 0,
) -> Answered | None:
    """Say which candidate is the best, and how sure that is; None where nothing tells the noise.

    Args:
        others: They tell noise and drift, and are compared, but are no answer: baselines.
        drifts: By names of a device or a link that drifted by its sentinel, see `Fitted.drifting`.
    """
    fit = fitted([*candidates, *others], maximise=maximise, seed=seed)
    keys = {series.key for series in candidates}
    if fit is None or keys.isdisjoint(fit.rows):
        return None
    plain = fit.posterior(keys)
    if not drifts:
        return Answered(fit, plain, plain)
    widened = fit
    for names, variance in drifts.items():
        widened = widened.drifting(names, variance)
    return Answered(fit, widened.posterior(keys), plain)
