"""What a search believes of splits: predictions, corrected by measurements, and how far off they may be.

The logarithm of measured over predicted is a Gaussian process over splits (C. E. Rasmussen and C. K. I.
Williams, "Gaussian Processes for Machine Learning", MIT Press 2006): an error of all predictions, one of a
chain's, one that cuts share the more the nearer they are, one of the split alone, and a measurement's noise.
The last three grow together where what was measured is wider apart than they allow.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.results.pareto import Point, Split

__all__ = ["Belief", "Beliefs", "Place"]

Place = tuple[Hashable, tuple[int, ...]]
"""What a split is of (a chain, those of it that compute, a batch), and its cuts: near are cuts of one such.

What one device does alone, which never waits, tells little of what it does with others.
"""

Floats = NDArray[np.float64]

_OF_ALL: Final = 0.2
_OF_CHAIN: Final = 0.2
_OF_CUTS: Final = 0.03
_OF_SPLIT: Final = 0.015
_OF_VISIT: Final = 0.02
"""Standard deviations, of logarithms: what device profiles were off, and visits apart (docs/planning.md)."""

_REACH: Final = 0.5
"""Of the graph: cuts so far apart share 1/e of what near ones share."""

_WIDER: Final = (1.0, 2.0, 4.0)
_AGAINST_WIDER: Final = 2.0
"""Times the square of the logarithm: three or four measurements may be far apart by chance."""

_MOST_LEARNT_FROM: Final = 256
"""Measured splits: time grows with the square of their number."""

_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Belief:
    """Figures of all splits, in their order: medians, and the standard deviations of their logarithms."""

    points: Floats
    spreads: Floats

    def of(self, rows: NDArray[np.int64]) -> "Belief":
        """What is believed of some of the splits."""
        return Belief(self.points[rows], self.spreads[rows])

    def pairs(self) -> list[Point]:
        """The medians as points."""
        return [(float(latency_s), float(sample_s)) for latency_s, sample_s in self.points]


@dataclass
class Beliefs(Generic[Split]):
    """What is believed of these splits, for any measurements.

    Attributes:
        predicted: Of every split.
        place: Where a split is.
    """

    predicted: Mapping[Split, Point]
    place: Callable[[Split], Place]
    _logs: Floats = field(init=False)
    _chains: NDArray[np.int64] = field(init=False)
    _cuts: Floats = field(init=False)
    _index: dict[Split, int] = field(init=False)

    def __post_init__(self) -> None:
        self._index = {split: i for i, split in enumerate(self.predicted)}
        self._logs = np.log(np.array(list(self.predicted.values()), dtype=float).reshape(-1, 2))
        places = [self.place(split) for split in self.predicted]
        numbers: dict[Hashable, int] = {}
        self._chains = np.array([numbers.setdefault(chain, len(numbers)) for chain, _ in places])
        # Only cuts of one chain, which are alike in number, are compared.
        self._cuts = np.zeros((len(places), max((len(cuts) for _, cuts in places), default=0)))
        for row, (_, cuts) in zip(self._cuts, places, strict=True):
            row[: len(cuts)] = cuts
        self._cuts /= _REACH * max(1.0, float(self._cuts.max(initial=0.0)))

    def after(self, measured: Mapping[Split, Point]) -> Belief:
        """What to believe after these measurements, also of what was measured."""
        if not measured:
            # What is common to all does not tell them apart.
            spread = (_OF_CHAIN**2 + _OF_CUTS**2 + _OF_SPLIT**2) ** 0.5
            return Belief(np.exp(self._logs), np.full_like(self._logs, spread))
        training = self._nearest_the_front(measured)
        known = np.array([self._index[split] for split in training])
        off = np.log([measured[split] for split in training]) - self._logs[known]
        figures = [self._figure(known, off[:, figure]) for figure in (0, 1)]
        shifts, spreads = (np.stack(each, axis=1) for each in zip(*figures, strict=True))
        return Belief(np.exp(self._logs + shifts), spreads)

    @staticmethod
    def _nearest_the_front(measured: Mapping[Split, Point]) -> list[Split]:
        """Those that tell most of what may yet be on it: among the best by either figure."""
        best = np.min(list(measured.values()), axis=0)
        return sorted(measured, key=lambda split: float((measured[split] / best).min()))[:_MOST_LEARNT_FROM]

    def _figure(self, known: NDArray[np.int64], off: Floats) -> tuple[Floats, Floats]:
        """By how much one figure of all splits is off, and the spread of that."""
        _, wider = max((_likelihood(self._noisy(known, wider), off, wider), wider) for wider in _WIDER)
        root = np.linalg.cholesky(self._noisy(known, wider))
        weights = np.linalg.solve(root, off)
        before = _OF_ALL**2 + _OF_CHAIN**2 + wider**2 * (_OF_CUTS**2 + _OF_SPLIT**2)
        shifts, variances = [], []
        for begin in range(0, len(self._logs), _AT_ONCE):
            rows = np.arange(begin, min(begin + _AT_ONCE, len(self._logs)))
            shared = scipy.linalg.solve_triangular(root, self._shared(rows, known, wider).T, lower=True)
            shifts.append(shared.T @ weights)
            variances.append(before - (shared**2).sum(axis=0))
        return np.concatenate(shifts), np.sqrt(np.maximum(np.concatenate(variances), 1e-8))

    def _noisy(self, known: NDArray[np.int64], wider: float) -> Floats:
        return self._shared(known, known, wider) + np.eye(len(known)) * (wider * _OF_VISIT) ** 2

    def _shared(self, rows: NDArray[np.int64], known: NDArray[np.int64], wider: float) -> Floats:
        """The covariance of splits with measured ones."""
        apart = np.abs(self._cuts[rows, None] - self._cuts[None, known]).sum(axis=2)
        near = (wider * _OF_CUTS) ** 2 * np.exp(-apart)
        same_chain = self._chains[rows, None] == self._chains[None, known]
        same = (rows[:, None] == known[None]) * (wider * _OF_SPLIT) ** 2
        return np.asarray(_OF_ALL**2 + same_chain * (_OF_CHAIN**2 + near) + same)


def _likelihood(covariance: Floats, off: Floats, wider: float) -> float:
    root = np.linalg.cholesky(covariance)
    weights = np.linalg.solve(root, off)
    return float(-0.5 * weights @ weights - np.log(np.diag(root)).sum() - _AGAINST_WIDER * np.log(wider) ** 2)
