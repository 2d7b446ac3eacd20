"""Searching the front by measuring little: predict, measure what could be on it, correct, again.

A split is two figures, its latency at depth 1 and its seconds a sample at the deepest depth. Both are
predicted for every split. Measured is first what answers are compared with, then what is expected to gain
most: area of the front within its reference box, beyond which no split counts for it, and a better answer
for either figure. What was measured corrects the rest; it ends when no other split is expected to gain
anything, or the budget is spent. Where only one of the two figures counts, the front is the best split by
that one.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Generic, cast

import numpy as np
from numpy.typing import NDArray

from controller.results.pareto import Point, Split, corner_of, front_of
from controller.sweep.search.belief import Belief, Beliefs, Place
from controller.sweep.search.gains import answer_gains, area_gains

__all__ = ["Search"]

Floats = NDArray[np.float64]

_LEAST_GAIN: Final = 5e-4
"""A share of the area, or of a figure: with less to gain, the front stands."""

_LOOKED_AT: Final = 100
"""The most promising splits, among which each pick takes into account those before it."""


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
        ends: The worst of their figures bound the area that counts; without any, the worst of all splits do.
        figures: Which two of a split's figures make the front: one of them twice where only that one counts.
        to_the_end: Go on when the front stands, with those that are nearest to it.
        measured: The figures of measured splits.
        failed: Splits whose measurement failed.
    """

    predicted: Mapping[Split, Point]
    most: int
    at_once: int = 2
    place: Callable[[Split], Place] = _cuts
    first: Sequence[Split] = ()
    ends: Sequence[Split] = ()
    figures: tuple[int, int] = (0, 1)
    to_the_end: bool = False
    measured: dict[Split, Point] = field(default_factory=dict)
    failed: set[Split] = field(default_factory=set)
    _last: tuple[dict[Split, Point], Belief] | None = field(
        default=None, init=False, repr=False, compare=False
    )

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
        if self.to_the_end:
            return (self._untried_first() or self.ahead()[: self.at_once])[: self.left]
        return self._ranked()[0][: self.left]

    def ahead(self) -> list[Split]:
        """What would be measured if what is to come corrected nothing, in that order."""
        splits = self.promising()
        if self.to_the_end:
            splits = [*splits, *self._nearest(set(splits))]
        return splits[: self.left]

    def promising(self) -> list[Split]:
        """Splits not measured yet that are expected to gain something, those with the largest gain first."""
        picks, rest = self._ranked()
        return [*picks, *rest]

    def believed(self) -> Belief:
        """Predictions, corrected by how far off the measured splits were."""
        if self._last is None or self._last[0] != self.measured:
            self._last = dict(self.measured), self._beliefs.after(self.measured)
        return self._last[1]

    @cached_property
    def _beliefs(self) -> Beliefs[Split]:
        return Beliefs(self.predicted, self.place)

    def _ranked(self) -> tuple[list[Split], list[Split]]:
        """What to measure at once, and what else is expected to gain something, the largest gain first."""
        if untried := self._untried_first():
            return untried, []
        belief, splits = self.believed(), list(self.predicted)
        measured = np.array([split in self.measured for split in splits])
        known = belief.of(np.flatnonzero(measured)).pairs()
        failed = np.array([split in self.failed for split in splits])
        rest = np.flatnonzero(~(measured | failed))
        corner = self._corner(belief, splits)
        gains = self._gains(belief.of(rest), known, corner)
        order = np.argsort(-gains, kind="stable")
        ordered = rest[order[gains[order] > _LEAST_GAIN]]
        looked_at = ordered[: max(_LOOKED_AT, 4 * self.at_once)]
        picks = [int(looked_at[i]) for i in self._picks(belief.of(looked_at), known, corner)]
        taken = set(picks)
        return [splits[i] for i in picks], [splits[i] for i in ordered.tolist() if i not in taken]

    def _untried_first(self) -> list[Split]:
        tried = self.measured.keys() | self.failed
        return [split for split in self.first if split not in tried]

    def _corner(self, belief: Belief, splits: Sequence[Split]) -> Point:
        """The worst of the ends' figures, measured or not."""
        ends = set(self.ends)
        bounding = [i for i, split in enumerate(splits) if split in ends] or range(len(splits))
        return corner_of(belief.of(np.array(bounding)).pairs())

    def _picks(self, belief: Belief, known: Sequence[Point], corner: Point) -> list[int]:
        """The next few of these splits, each as if those before it had been measured as expected."""
        picks: list[int] = []
        points = belief.pairs()
        while len(picks) < min(self.at_once, len(points)):
            gains = self._gains(belief, [*known, *(points[i] for i in picks)], corner)
            gains[picks] = 0.0
            best = int(np.argmax(gains))
            if gains[best] <= _LEAST_GAIN:
                break
            picks.append(best)
        return picks

    def _gains(self, belief: Belief, known: Sequence[Point], corner: Point) -> Floats:
        """What each of these splits is expected to gain."""
        one, other = self.figures
        gains = answer_gains(known, one, belief)
        if one != other:
            gains = gains + answer_gains(known, other, belief) + area_gains(known, corner, belief)
        return gains

    def _nearest(self, but: set[Split]) -> list[Split]:
        """The rest, those first that would have to be least better to be on the front."""
        belief, splits = self.believed(), list(self.predicted)
        figures = belief.points[:, list(self.figures)]
        known = [i for i, split in enumerate(splits) if split in self.measured] or range(len(splits))
        front = front_of({i: (float(figures[i, 0]), float(figures[i, 1])) for i in known})
        behind = np.max([(figures / figures[i]).min(axis=1) for i in front], axis=0)
        tried = but | self.measured.keys() | self.failed
        return [splits[i] for i in np.argsort(behind, kind="stable") if splits[i] not in tried]
