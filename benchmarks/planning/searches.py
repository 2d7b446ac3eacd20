"""How much of the front a planned search finds, beside what it must beat and what it cannot.

Splits are chosen by the first of two exhaustive sweeps and judged by the second, so that no choice is judged
by the noise that made it. What is judged is the hypervolume, in the second sweep, of the splits that are on
the front in the first, over that of all splits; the box is from zero to the worst of both ends. An exhaustive
sweep does not reach 1 either: what it reaches is the noise floor.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import t

from benchmarks.figures import Summary
from benchmarks.planning.cells import MeasuredCell
from controller.results.pareto import Point, corner_of, front_of, hypervolume
from controller.sweep.search.front_search import Search
from controller.sweep.search.predicted import most_measured

__all__ = ["SHARE", "Comparison", "comparisons_of", "mean_with_interval", "time_shares_of"]

SHARE: Final = 0.15
"""Of the splits, as an experiment's `search_share` has it."""

_RANDOM: Final = 500
_TRIALS: Final = 5
"""An experiment's default: profiling is spread over so many visits of a cell."""

_Cuts = tuple[int, ...]
Group = tuple[str, str]
"""A model and a network."""


@dataclass(frozen=True)
class Comparison:
    """One model under one network: shares of the hypervolume.

    Attributes:
        searched: Of the planned search.
        exhaustive: Of the whole first sweep: the noise floor.
        ends: Of both ends and the equal split alone.
        at_random: Of these and of others at random, as many as the search measured; mean over draws.
        measured: The splits that the search measured.
        share: Their share of all splits.
    """

    searched: float
    exhaustive: float
    ends: float
    at_random: float
    measured: frozenset[_Cuts]
    share: float

    @property
    def of_exhaustive(self) -> float:
        """What the search finds over what an exhaustive sweep finds; 1 where that finds nothing."""
        return self.searched / self.exhaustive if self.exhaustive else 1.0


@dataclass(frozen=True)
class _Points:
    """Predicted points of splits, and those of both sweeps."""

    predicted: Mapping[_Cuts, Point]
    first: Mapping[_Cuts, Point]
    second: Mapping[_Cuts, Point]

    def found(self, splits: Iterable[_Cuts]) -> float:
        """The share of the hypervolume that is found by measuring these splits."""
        chosen = front_of({split: self.first[split] for split in splits})
        corner = corner_of([self.second[end] for end in self.ends])
        whole = hypervolume(list(self.second.values()), corner)
        # Where no split is better than the worst of the ends in both figures, there is no area to find.
        return hypervolume([self.second[split] for split in chosen], corner) / whole if whole else 1.0

    @property
    def ends(self) -> tuple[_Cuts, _Cuts]:
        return max(self.first), min(self.first)


def comparisons_of(cells: Sequence[MeasuredCell], equal_cuts: Mapping[str, int]) -> dict[Group, Comparison]:
    """Compare by model and network; splits without both depths are left out.

    Args:
        cells: Of two devices.
        equal_cuts: Cut of the equal split, by model.
    """
    return {group: _compared(points, equal_cuts[group[0]]) for group, points in _by_group(cells).items()}


def time_shares_of(
    cells: Sequence[MeasuredCell],
    comparisons: Mapping[Group, Comparison],
    profiling_s: Mapping[str, float],
) -> list[float]:
    """For each model the time of its planned search, over that of its exhaustive sweep.

    Both as an experiment's default runs them: five visits of each cell. One device profile serves all
    networks, and its time counts for the search.
    """
    shares = []
    for model in dict.fromkeys(model for model, _ in comparisons):
        own = [cell for cell in cells if cell.model == model]
        searched = [cell for cell in own if cell.cuts in comparisons[model, cell.network].measured]
        search_s = profiling_s[model] + _TRIALS * sum(cell.visit_s for cell in searched)
        shares.append(search_s / (_TRIALS * sum(cell.visit_s for cell in own)))
    return shares


def mean_with_interval(values: Sequence[float]) -> Summary | None:
    """The mean, and its 95 % interval by Student's t; None with fewer than two values."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    reach = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return Summary(mean, mean - reach, mean + reach, len(values))


def _compared(points: _Points, equal_cut: int) -> Comparison:
    always = [split for split in ((equal_cut,), *points.ends) if split in points.first]
    measured = _search(points, always)
    return Comparison(
        searched=points.found(measured),
        exhaustive=points.found(points.first),
        ends=points.found(always),
        at_random=_at_random(points, always, len(measured)),
        measured=frozenset(measured),
        share=len(measured) / len(points.first),
    )


def _search(points: _Points, always: Sequence[_Cuts]) -> Collection[_Cuts]:
    """The splits that a planned search measures; it looks its measurements up in the first sweep."""
    search = Search(
        points.predicted,
        most=most_measured(SHARE, len(points.first)),
        place=lambda split: (split if split in points.ends else None, split),
        first=always,
    )
    return search.run(lambda split: points.first[split]).keys()


def _at_random(points: _Points, always: Sequence[_Cuts], number: int) -> float:
    rng = np.random.default_rng(0)
    others = [split for split in points.first if split not in always]
    more = max(0, number - len(always))
    draws = (rng.choice(len(others), size=more, replace=False) for _ in range(_RANDOM))
    return float(np.mean([points.found([*always, *(others[i] for i in drawn)]) for drawn in draws]))


def _by_group(cells: Sequence[MeasuredCell]) -> dict[Group, _Points]:
    groups: dict[Group, dict[_Cuts, dict[int, MeasuredCell]]] = {}
    for cell in cells:
        splits = groups.setdefault((cell.model, cell.network), {})
        splits.setdefault(cell.cuts, {})[cell.depth] = cell
    found = {}
    for group, splits in groups.items():
        whole = {
            cuts: (depths[min(depths)], depths[max(depths)])
            for cuts, depths in splits.items()
            if len(depths) == 2
        }
        found[group] = _Points(
            {cuts: (alone.predicted, deep.predicted) for cuts, (alone, deep) in whole.items()},
            {cuts: (alone.measured, deep.measured) for cuts, (alone, deep) in whole.items()},
            {cuts: (alone.repeated, deep.repeated) for cuts, (alone, deep) in whole.items()},
        )
    return found
