"""How much of the front a planned search finds, beside what it must beat and what it cannot.

Two exhaustive sweeps make a world. In it a split's visits vary as much as its visits in the two sweeps. Its
true figures differ from their predictions as the mean of both sweeps does, less what noise adds to that.
There every method sweeps many times, five visits a cell, chooses its front by the medians, and is judged by
the true figures: the hypervolume of its front over that of all splits, in the box from zero to the worst of
both ends. The search chooses as a sweep's does, block by block: by one visit of the splits that joined last,
and more of those before. An exhaustive sweep does not reach 1 either, since it chooses by what is noisy.

Judged by the second sweep alone, that sweep's noise decided: where an end is nearly as good as the best
split, an exhaustive sweep found 0.37 of the hypervolume.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from benchmarks.figures import Summary
from benchmarks.planning.cells import MeasuredCell
from controller.results.pareto import Point, corner_of, front_of, hypervolume
from controller.sweep.search.front_search import Search
from controller.sweep.search.predicted import most_measured

__all__ = ["SHARE", "Comparison", "comparisons_of", "mean_with_interval", "time_shares_of", "without_noise"]

SHARE: Final = 0.15
"""Of the splits, as an experiment's `search_share` has it."""

_SWEEPS: Final = 200
_VISITS: Final = 5
"""Of a cell: an experiment's default."""

Floats = NDArray[np.float64]
_Cuts = tuple[int, ...]
Group = tuple[str, str]
"""A model and a network."""


@dataclass(frozen=True)
class Comparison:
    """One model under one network: shares of the hypervolume, means over simulated sweeps.

    Attributes:
        searched: Of the planned search.
        exhaustive: Of an exhaustive sweep.
        ends: Of both ends and the equal split alone.
        at_random: Of these and of others at random, as many as the search measures.
        visits: How often the search measures each split, from 0 to 1.
    """

    searched: float
    exhaustive: float
    ends: float
    at_random: float
    visits: Mapping[_Cuts, float]

    @property
    def of_exhaustive(self) -> float:
        """What the search finds over what an exhaustive sweep finds; 1 where that finds nothing."""
        return self.searched / self.exhaustive if self.exhaustive else 1.0

    @property
    def share(self) -> float:
        """The share of splits that the search measures."""
        return float(np.mean(list(self.visits.values())))


@dataclass(frozen=True)
class _World:
    """Splits' predicted and true figures, and by how much visits differ from these: [split, figure], logs."""

    predicted: Mapping[_Cuts, Point]
    true: Mapping[_Cuts, Point]
    errors: Floats

    @property
    def ends(self) -> tuple[_Cuts, _Cuts]:
        return max(self.true), min(self.true)

    def sweep(self, rng: np.random.Generator) -> dict[_Cuts, Floats]:
        """Each split's visits: [visit, figure]. A visit's error is one of those seen, in both figures."""
        drawn = rng.integers(len(self.errors), size=(len(self.true), _VISITS))
        signs = rng.choice((-1.0, 1.0), size=(*drawn.shape, 1))
        visits = np.array(list(self.true.values()))[:, None] * np.exp(signs * self.errors[drawn])
        return dict(zip(self.true, visits, strict=True))

    def share(self, measured: Mapping[_Cuts, Point]) -> float:
        """The share of the hypervolume that the front of these measurements has."""
        corner = corner_of([self.true[end] for end in self.ends])
        whole = hypervolume(list(self.true.values()), corner)
        # Where no split is better than the worst of the ends in both figures, there is no area to find.
        return (
            hypervolume([self.true[split] for split in front_of(measured)], corner) / whole if whole else 1.0
        )


def comparisons_of(cells: Sequence[MeasuredCell], equal_cuts: Mapping[str, int]) -> dict[Group, Comparison]:
    """Compare by model and network; splits without both depths are left out.

    Args:
        cells: Of two devices.
        equal_cuts: Cut of the equal split, by model.
    """
    return {group: _compared(world, equal_cuts[group[0]]) for group, world in _by_group(cells).items()}


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
        own = [cell for cell in cells if cell.model == model and (model, cell.network) in comparisons]
        searched_s = sum(comparisons[model, c.network].visits.get(c.cuts, 0.0) * c.visit_s for c in own)
        exhaustive_s = _VISITS * sum(cell.visit_s for cell in own)
        shares.append((profiling_s[model] + _VISITS * searched_s) / exhaustive_s)
    return shares


def mean_with_interval(values: Sequence[float]) -> Summary | None:
    """The mean, and its 95 % interval by Student's t; None with fewer than two values."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    reach = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return Summary(mean, mean - reach, mean + reach, len(values))


def _compared(world: _World, equal_cut: int) -> Comparison:
    rng = np.random.default_rng(0)
    always = [split for split in ((equal_cut,), *world.ends) if split in world.true]
    others = [split for split in world.true if split not in always]
    shares: list[tuple[float, float, float, float]] = []
    visits = Counter[_Cuts]()
    for _ in range(_SWEEPS):
        visits_of = world.sweep(rng)
        measured = {split: _median(own) for split, own in visits_of.items()}
        chosen = {split: measured[split] for split in _search(world, always, visits_of)}
        visits.update(list(chosen))
        drawn = rng.choice(len(others), size=max(0, len(chosen) - len(always)), replace=False)
        also_random = [*always, *(others[i] for i in drawn)]
        shares.append(
            (
                world.share(chosen),
                world.share(measured),
                world.share({split: measured[split] for split in always}),
                world.share({split: measured[split] for split in also_random}),
            )
        )
    searched, exhaustive, ends, at_random = map(float, np.mean(shares, axis=0))
    frequency = {split: visits[split] / _SWEEPS for split in world.true}
    return Comparison(searched, exhaustive, ends, at_random, frequency)


def _search(world: _World, always: Sequence[_Cuts], visits_of: Mapping[_Cuts, Floats]) -> list[_Cuts]:
    """What a planned search measures: with each block more splits join, and all are visited once."""
    search = Search(
        world.predicted,
        most=most_measured(SHARE, len(world.true)),
        place=lambda split: (split if split in world.ends else None, split),
        first=always,
        ends=world.ends,
    )
    visited = Counter[_Cuts]()
    while chosen := search.choose():
        visited.update([*visited, *chosen])
        search.measured = {split: _median(visits_of[split][:number]) for split, number in visited.items()}
    return list(visited)


def _median(visits: Floats) -> Point:
    latency_s, sample_s = np.median(visits, axis=0)
    return float(latency_s), float(sample_s)


def _by_group(cells: Sequence[MeasuredCell]) -> dict[Group, _World]:
    groups: dict[Group, dict[_Cuts, dict[int, MeasuredCell]]] = {}
    for cell in cells:
        splits = groups.setdefault((cell.model, cell.network), {})
        splits.setdefault(cell.cuts, {})[cell.depth] = cell
    return {group: world for group, splits in groups.items() if (world := _world(splits)) is not None}


def _world(splits: Mapping[_Cuts, Mapping[int, MeasuredCell]]) -> _World | None:
    pairs = {
        cuts: (depths[min(depths)], depths[max(depths)])
        for cuts, depths in splits.items()
        if len(depths) == 2
    }
    if not pairs:
        return None
    predicted = np.log([[alone.predicted, deep.predicted] for alone, deep in pairs.values()])
    visits = np.log([[[c.measured, c.repeated] for c in pair] for pair in pairs.values()])
    # The difference of two visits varies by the square root of two as much as one visit does.
    errors = (visits[..., 1] - visits[..., 0]) / math.sqrt(2)
    true = np.exp(predicted + without_noise(visits.mean(axis=-1) - predicted, errors))
    return _World(
        {cuts: (alone.predicted, deep.predicted) for cuts, (alone, deep) in pairs.items()},
        {cuts: (float(latency), float(period)) for cuts, (latency, period) in zip(pairs, true, strict=True)},
        errors,
    )


def without_noise(away: Floats, errors: Floats) -> Floats:
    """By how much splits are away from their predictions, spread as without the noise of two visits' mean.

    Args:
        away: [split, figure], of the mean of two visits; logs.
        errors: [split, figure], of one visit.
    """
    middle = away.mean(axis=0)
    spread, noise = np.var(away, axis=0), np.mean(errors**2, axis=0) / 2
    kept = np.sqrt(np.clip(1 - noise / np.maximum(spread, 1e-12), 0.0, 1.0))
    shrunk: Floats = middle + kept * (away - middle)
    return shrunk
