"""Splits as candidates of a front: each with all its cells, and the two figures that stand for it."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from controller.experiment.load import OFFLINE
from controller.results import Cell, Results
from controller.results.metrics import latency_s, period_s
from controller.results.pareto import Point
from controller.sweep.search.belief import Place

__all__ = ["Candidate", "candidates_of", "measured_point", "median_point"]


# Compared by identity: made once, and looked up often.
@dataclass(frozen=True, eq=False)
class Candidate:
    """A split on a chain of devices, with all else that tells cells apart but depth and load: their cells.

    Attributes:
        id: Of all of that.
        cells: The shallowest first.
    """

    id: str
    cells: tuple[Cell, ...]

    @property
    def shallow(self) -> Cell:
        """Whose latency is the candidate's."""
        return self._closed[0]

    @property
    def deep(self) -> Cell:
        """Whose throughput is the candidate's."""
        return self._closed[-1]

    def place(self, node_count: int) -> Place:
        """Its chain, with those of it that compute anything of a graph of so many nodes, and its cuts."""
        cuts = self.shallow.cuts
        computing = tuple(start < stop for start, stop in pairwise((0, *cuts, node_count)))
        return (_identity(replace(self.shallow, cuts=())), computing), cuts

    @property
    def _closed(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.load == OFFLINE) or self.cells


def candidates_of(cells: Iterable[Cell]) -> tuple[Candidate, ...]:
    """The candidates that cells of one network make up, in the order of the cells."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_identity(cell), []).append(cell)
    return tuple(
        Candidate(identity, tuple(sorted(alike, key=lambda cell: cell.depth_key)))
        for identity, alike in groups.items()
    )


def measured_point(candidate: Candidate, results: Results) -> Point | None:
    """The measured figures so far; None while either has no trial."""
    return median_point(
        [latency_s(trial) for trial in results.trials(candidate.shallow.id)],
        [period_s(trial) / candidate.deep.batch for trial in results.trials(candidate.deep.id)],
    )


def median_point(latencies_s: Sequence[float], samples_s: Sequence[float]) -> Point | None:
    """A candidate's point: latency of its shallow cell and seconds a sample of its deep one, over trials."""
    if not latencies_s or not samples_s:
        return None
    return statistics.median(latencies_s), statistics.median(samples_s)


def _identity(cell: Cell) -> str:
    return replace(cell, load=OFFLINE).split_id
