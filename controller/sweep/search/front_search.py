"""Searching the front by measuring little: predict, measure what could be on it, correct, again.

A split is two figures, its latency at depth 1 and its seconds a sample at the deepest depth. Both are
predicted for every split. Measured is first what answers are compared with, then those that could be on the
front if the predictions were as wrong as they have been so far; what was measured corrects the rest; it ends
when the front stands, or the budget is spent. Where only one of the two figures counts, the front is the best
split by that one.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, cast

import numpy as np
from numpy.typing import NDArray

from controller.results.pareto import Point, Split, area_gains, front_of

__all__ = ["Place", "Search"]

Place = tuple[Hashable, tuple[int, ...]]
"""What a split is of (a chain, those of it that compute, a batch), and its cuts: near are cuts of one such.

What one device does alone, which never waits, tells little of what it does with others.
"""

_MARGIN_FIRST = 0.15
_MARGIN_LEAST, _MARGIN_MOST = 0.03, 0.3
_NEAREST = 3


def _cuts(split: Hashable) -> Place:
    return (), cast(tuple[int, ...], split)


@dataclass
class Search(Generic[Split]):
    """One search, under one network.

    Attributes:
        predicted: Of every split.
        most: How many splits may be measured.
        at_once: How many are measured before predictions are corrected.
        place: Where a split is; where splits are cuts and nothing else, it is they.
        first: Measured before all others: what answers are compared with.
        figures: Which two of a split's figures make the front: one of them twice where only that one counts.
        to_the_end: Go on when the front stands, with those that are nearest to it.
        measured: The figures of measured splits.
        failed: Splits whose measurement failed.
    """

    predicted: Mapping[Split, Point]
    most: int
    at_once: int = 3
    place: Callable[[Split], Place] = _cuts
    first: Sequence[Split] = ()
    figures: tuple[int, int] = (0, 1)
    to_the_end: bool = False
    measured: dict[Split, Point] = field(default_factory=dict)
    failed: set[Split] = field(default_factory=set)

    def run(self, measure: Callable[[Split], Point | None]) -> dict[Split, Point]:
        """Search, and return the measured splits; `measure` gives None where a measurement failed."""
        while chosen := self.choose():
            for split in chosen:
                point = measure(split)
                if point is None:
                    self.failed.add(split)
                else:
                    self.measured[split] = point
        return self.measured

    @property
    def left(self) -> int:
        """How many more may be measured."""
        return max(0, self.most - len(self.measured) - len(self.failed))

    def choose(self) -> list[Split]:
        """What to measure next; nothing where the front stands, or as many were measured as may be."""
        return self.ahead()[: self.at_once]

    def ahead(self) -> list[Split]:
        """What would be measured if what is to come corrected nothing, in that order."""
        splits = self.promising()
        if self.to_the_end:
            splits = [*splits, *self._nearest(set(splits))]
        return [split for split in splits if split not in self.failed][: self.left]

    def promising(self) -> list[Split]:
        """Splits not measured yet that could be on the front, those that would gain most of it first."""
        tried = self.measured.keys() | self.failed
        if untried := [split for split in self.first if split not in tried]:
            return untried
        if self.measured.keys() <= set(self.first) and (look := self._first_look()):
            return look
        corrected = self._judged(self.corrected())
        margin = self.margin()
        rest = [split for split in self.predicted if split not in self.measured]
        known = list(self._judged(self.measured).values())
        hopes: dict[Split, Point] = {}
        for split in rest:
            one, other = corrected[split]
            hopes[split] = one * (1 - margin), other * (1 - margin)
        worst = [1.05 * max(point[i] for point in [*corrected.values(), *known]) for i in (0, 1)]
        gains = area_gains(known, hopes, (worst[0], worst[1]))
        return sorted(gains, key=lambda split: -gains[split])

    def _first_look(self) -> list[Split]:
        """The two ends of the predicted front, and its middle: they tell most about what is wrong with it."""
        judged = self._judged(self.predicted)
        front = front_of({split: point for split, point in judged.items() if split not in self.failed})
        if not front:
            return []
        look = dict.fromkeys([front[0], front[-1], front[len(front) // 2]])
        return [split for split in look if split not in self.measured]

    def corrected(self) -> dict[Split, Point]:
        """Predictions, corrected by how far off the measured splits nearest in the graph were."""
        if not self.measured:
            return dict(self.predicted)
        off = np.log(self._ratios())
        of_chain: dict[Hashable, list[int]] = {}
        places = [self.place(split) for split in self.measured]
        for i, (chain, _) in enumerate(places):
            of_chain.setdefault(chain, []).append(i)
        common = np.exp(np.median(off, axis=0))
        points = {}
        for split, point in self.predicted.items():
            chain, cuts = self.place(split)
            alike = of_chain.get(chain)
            shift = common
            if alike:
                at = np.array([places[i][1] for i in alike], dtype=float).reshape(len(alike), -1)
                apart = np.abs(at - np.array(cuts, dtype=float)).sum(axis=1)
                nearest = np.argsort(apart, kind="stable")[:_NEAREST]
                weights = 1 / (1 + apart[nearest])
                mean = (off[alike][nearest] * weights[:, None]).sum(axis=0) / weights.sum()
                shift = np.exp(mean)
            points[split] = (float(point[0] * shift[0]), float(point[1] * shift[1]))
        return points

    def _nearest(self, but: set[Split]) -> list[Split]:
        """The rest, those first that would have to be least better to be on the front."""
        corrected = self._judged(self.corrected())
        known = list(self._judged(self.measured).values()) or [
            corrected[split] for split in front_of(corrected)
        ]

        def behind(split: Split) -> float:
            point = corrected[split]
            return max(min(point[0] / one[0], point[1] / one[1]) for one in known)

        rest = [split for split in self.predicted if split not in self.measured and split not in but]
        return sorted(rest, key=behind)

    def _judged(self, points: Mapping[Split, Point]) -> Mapping[Split, Point]:
        """The figures that make the front."""
        one, other = self.figures
        if (one, other) == (0, 1):
            return points
        return {split: (point[one], point[other]) for split, point in points.items()}

    def margin(self) -> float:
        """By how much a prediction may be too bad: what nine of ten were off, beside their common error."""
        if len(self.measured) < _NEAREST:
            return _MARGIN_FIRST
        off = np.log(self._ratios())[:, list(self.figures)]
        spread = np.abs(off - np.median(off, axis=0))
        return float(np.clip(np.quantile(spread, 0.9), _MARGIN_LEAST, _MARGIN_MOST))

    def _ratios(self) -> NDArray[np.float64]:
        return np.array([np.divide(point, self.predicted[split]) for split, point in self.measured.items()])
