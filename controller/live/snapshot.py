"""What there is to see of a sweep: what runs now, what its last trial showed, the front so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from controller.experiment.load import OFFLINE
from controller.live.live_file import Now
from controller.results import Cell, Trial
from controller.results.metrics import busy_share, latency_s, stage_name, throughput_per_s
from controller.results.pareto import Point, front_of
from controller.sweep.search.candidates import Candidate, candidates_of, median_point

__all__ = ["SweepSnapshot", "TrialSummary", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stage of a trial, and its busy share (docs/measuring.md)."""

    name: str
    busy: float


@dataclass(frozen=True)
class TrialSummary:
    """What a finished trial showed.

    Attributes:
        in_flight: Requests in flight, on average: rate times mean latency (Little's law).
    """

    cell: str
    number: int
    stages: tuple[Stage, ...]
    in_flight: float
    latency_s: float
    samples_per_s: float


@dataclass
class SweepSnapshot:
    """All of it, as far as it is known.

    Attributes:
        trials: Wanted of every cell.
        now: What the sweep is at; None where it never said.
        last: The trial that finished last.
    """

    experiment: str = ""
    trials: int = 0
    now: Now | None = None
    last: TrialSummary | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    _seen: dict[str, list[TrialSummary]] = field(default_factory=dict)

    def want(self, cells: Iterable[Cell]) -> None:
        """Take in the cells that are wanted."""
        self.cells |= {cell.id: cell for cell in cells}

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Take in a finished trial."""
        self.cells.setdefault(cell.id, cell)
        self.last = _seen(cell, trial)
        self._seen.setdefault(cell.id, []).append(self.last)

    @property
    def cell(self) -> Cell | None:
        """The cell that runs."""
        return self.cells.get(self.now.cell or "") if self.now else None

    @property
    def shown(self) -> Cell | None:
        """The cell whose front is the one to look at: that which runs, or ran last."""
        return self.cell or (self.cells.get(self.last.cell) if self.last else None)

    def missing(self) -> int:
        """Trials of the wanted cells that are not finished."""
        return sum(max(0, self.trials - len(self._seen.get(cell, ()))) for cell in self.cells)

    def finished_trials(self) -> int:
        """Trials that are."""
        return sum(map(len, self._seen.values()))

    def front(self, cell: Cell) -> tuple[list[tuple[Cell, Point]], int]:
        """The front so far of the cell's bundle under its network, and of how many splits.

        Each by its deepest cell, with latency in seconds and seconds a sample, by rising latency.
        """
        measured: dict[Candidate, Point] = {}
        alike = (
            one for one in self.cells.values() if (one.bundle, one.network) == (cell.bundle, cell.network)
        )
        for candidate in candidates_of(alike):
            # A capability front needs the latency of a request alone, and what comes of a full pipeline.
            alone, deep = candidate.shallow, candidate.deep
            if alone.depth != 1 or alone.load != OFFLINE:
                continue
            point = median_point(
                [seen.latency_s for seen in self._seen.get(alone.id, ())],
                [1 / seen.samples_per_s for seen in self._seen.get(deep.id, ())],
            )
            if point is not None:
                measured[candidate] = point
        return [(each.deep, measured[each]) for each in front_of(measured)], len(measured)


def _seen(cell: Cell, trial: Trial) -> TrialSummary:
    devices = [hop.device for hop in trial.hops]
    return TrialSummary(
        cell.id,
        trial.number,
        tuple(Stage(stage_name(devices, i), busy_share(trial, i)) for i in range(len(devices))),
        float(np.sum(trial.endpoint["latency_s"])) / trial.elapsed_s,
        latency_s(trial),
        throughput_per_s(trial, cell.batch),
    )
