"""A sweep's state for viewers: the current cell, the last trial, the front so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from controller.experiment.load import OFFLINE
from controller.live.live_file import Now
from controller.results import Cell, Trial, TrialsWanted
from controller.results.metrics import busy_share, latency_s, stage_name, throughput_per_s
from controller.results.pareto import Point, front_of
from controller.sweep.search.candidates import Candidate, candidates_of, median_point

__all__ = ["SweepSnapshot", "TrialSummary", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stage of a trial, and its busy share (docs/measuring.md); None where that is unknown."""

    name: str
    busy: float | None


@dataclass(frozen=True)
class TrialSummary:
    """A finished trial's figures.

    Attributes:
        in_flight: Mean requests in flight: rate times mean latency (Little's law).
    """

    cell: str
    number: int
    stages: tuple[Stage, ...]
    in_flight: float
    latency_s: float
    samples_per_s: float


@dataclass
class SweepSnapshot:
    """A sweep's known state.

    Attributes:
        wanted: How many trials cells are to have.
        now: The sweep's live state; None before it wrote one.
        last: The last finished trial.
        left_out: See `Results`.
    """

    experiment: str = ""
    wanted: TrialsWanted = TrialsWanted(0, 0)
    now: Now | None = None
    last: TrialSummary | None = None
    left_out: dict[tuple[str, int], str] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    _seen: dict[str, list[TrialSummary]] = field(default_factory=dict)

    def want(self, cells: Iterable[Cell]) -> None:
        """Add requested cells."""
        self.cells |= {cell.id: cell for cell in cells}

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Add a finished trial."""
        # Only now is the depth known, where the sweep finds it.
        self.cells[cell.id] = cell
        self.last = _seen(cell, trial)
        self._seen.setdefault(cell.id, []).append(self.last)

    @property
    def cell(self) -> Cell | None:
        """The running cell."""
        return self.cells.get(self.now.cell or "") if self.now else None

    @property
    def shown(self) -> Cell | None:
        """The cell whose front to show: the running cell, else the last one."""
        return self.cell or (self.cells.get(self.last.cell) if self.last else None)

    def missing(self) -> int:
        """The number of pending trials, as far as it is known."""
        return sum(
            self.wanted.missing(cell, len(self._seen.get(name, ()))) for name, cell in self.cells.items()
        )

    @property
    def is_settled(self) -> bool:
        """Whether no network gets more trials for the sake of its answers."""
        return all(self.wanted.is_settled(cell.network) for cell in self.cells.values())

    def finished_trials(self) -> int:
        """The number of finished trials."""
        return sum(map(len, self._seen.values()))

    def front(self, cell: Cell) -> tuple[list[tuple[Cell, Point]], int]:
        """The front so far of the cell's bundle under its network, and the number of measured splits.

        Each split is its deepest cell, with latency in seconds and seconds per sample, by rising latency.
        """
        measured: dict[Candidate, Point] = {}
        alike = (
            one for one in self.cells.values() if (one.bundle, one.network) == (cell.bundle, cell.network)
        )
        for candidate in candidates_of(alike):
            # A capability front needs the latency of a lone request and the throughput of a full pipeline.
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
