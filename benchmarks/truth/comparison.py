"""Compare all figures of a finished sweep that have a truth with the files that `analysis` wrote."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.truth.cell_figures import cell_figures, part_figures, stage_figures
from benchmarks.truth.codec_figures import codec_figures
from benchmarks.truth.compared import Compared, Row, read_table
from benchmarks.truth.network_figures import NetworkTruth, network_figures
from benchmarks.truth.open_figures import Service, achieved, open_figures
from benchmarks.truth.physics import Truth, baseline_s, truth_of
from controller.experiment.load import parse_load
from controller.experiment.planted import planted_text
from controller.experiment.resolve import ResolvedExperiment
from controller.results import Cell

__all__ = ["Reported", "compare"]

_NO_SLOWDOWN: Final = 1.0


@dataclass(frozen=True)
class Reported:
    """What `analysis` wrote of a sweep: its tables by name, and the answers."""

    tables: Mapping[str, Sequence[Row]]
    answers: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, report: Path, export: Path) -> "Reported":
        """Read the folders that `analysis report` and `analysis export` wrote."""
        files = [*report.glob("*.csv"), *export.glob("*.csv")]
        return cls(
            {file.stem: read_table(file) for file in files},
            json.loads((report / "answers.json").read_bytes()),
        )

    def rows(self, table: str, **keys: str) -> list[Row]:
        """The rows of a table with these values."""
        return [row for row in self.tables.get(table, ()) if all(row.get(k) == v for k, v in keys.items())]

    def row(self, table: str, **keys: str) -> Row:
        """The first of them; nothing without one."""
        return next(iter(self.rows(table, **keys)), {})


def compare(
    resolved: ResolvedExperiment,
    reported: Reported,
    slowdowns: Mapping[str, float],
    burst_bytes: Mapping[str, float] | None = None,
) -> list[Compared]:
    """Compare all figures that have a truth.

    Args:
        slowdowns: By device.
        burst_bytes: By device, what its link passes at once after a pause.
    """
    known = _Known(resolved, reported, slowdowns, burst_bytes or {})
    return [each for network in resolved.cells for each in known.of_network(network)]


@dataclass(frozen=True)
class _Known:
    resolved: ResolvedExperiment
    reported: Reported
    slowdowns: Mapping[str, float]
    burst_bytes: Mapping[str, float]

    def of_network(self, network: str) -> Iterator[Compared]:
        cells = self.resolved.cells[network]
        closed = {cell: self._truth(network, cell) for cell in cells if not parse_load(cell.load).is_open}
        for cell, truth in closed.items():
            yield from self._of_cell(network, cell, truth)
        for cell in cells:
            if parse_load(cell.load).is_open:
                yield from self._of_open_cell(network, cell, closed)
        splits, depths = {cell.cuts for cell in closed}, {cell.depth for cell in closed}
        is_simple = all(truth.is_regular for truth in closed.values()) and len({c.codec for c in closed}) == 1
        if is_simple and len(splits) > 1 and len(depths) > 1:
            yield from network_figures(
                NetworkTruth(network, closed, self._baselines(cells[0]), self._node_count(cells[0])),
                [answer for answer in self.reported.answers if answer["network"] == network],
                self.reported.rows("fronts", network=network),
            )

    def _of_cell(self, network: str, cell: Cell, truth: Truth) -> Iterator[Compared]:
        experiment = self.resolved.experiment
        where, row = _where(network, cell), self.reported.row("cells", cell=cell.id)
        requests = experiment.requests_of(cell)
        yield from cell_figures(where, cell, truth, row, trials=self._trials, requests=requests)
        yield from stage_figures(where, truth, self.reported.rows("device_metrics", cell=cell.id))
        if cell.depth == 1:
            yield from part_figures(where, truth, self.reported.row("parts", cell=cell.id))
        if cell.codec != "none":
            yield from codec_figures(where, self.resolved.bundles[cell.bundle], cell, row)

    def _of_open_cell(self, network: str, cell: Cell, closed: Mapping[Cell, Truth]) -> Iterator[Compared]:
        truth = self._truth(network, cell)
        planted_s = truth.period_s
        planted = Service(planted_s, planted_s**2, truth.late)
        split = cell.devices, cell.cuts, cell.depth
        full = next((each for each in closed if (each.devices, each.cuts, each.depth) == split), cell)
        used = achieved(
            planted_s,
            truth.late,
            self.reported.rows("batch_metrics", cell=cell.id),
            self.reported.row("cells", cell=full.id) if full is not cell else {},
            self.reported.rows("batch_metrics", cell=full.id),
        )
        row = self.reported.row("cells", cell=cell.id)
        where = f"{_where(network, cell)}, {cell.load}"
        yield from open_figures(where, cell, planted, used, row, self._trials)

    @property
    def _trials(self) -> int:
        trials = self.resolved.experiment.trials
        assert isinstance(trials, int)
        return trials

    def _truth(self, network: str, cell: Cell) -> Truth:
        experiment = self.resolved.experiment
        first = max(experiment.warmup, cell.depth)
        return truth_of(
            cell,
            self.resolved.bundles[cell.bundle],
            self.resolved.lab,
            self.resolved.networks[network],
            requests=range(first, first + experiment.requests_of(cell)),
            slowdowns=self.slowdowns,
            burst_bytes=self.burst_bytes,
        )

    def _baselines(self, cell: Cell) -> dict[str, float]:
        bundle, planted = self.resolved.bundles[cell.bundle], planted_text(self.resolved.experiment.planted)
        times = {
            device: baseline_s(bundle, planted, device, self.slowdowns.get(device, _NO_SLOWDOWN))
            for device in cell.devices
        }
        return {device: seconds for device, seconds in times.items() if seconds is not None}

    def _node_count(self, cell: Cell) -> int:
        return self.resolved.bundles[cell.bundle].node_count


def _where(network: str, cell: Cell) -> str:
    devices = "" if len(cell.devices) > 1 else f"{cell.devices[0]}, "
    codec = "" if cell.codec == "none" else f", {cell.codec}"
    return f"{network}, {devices}{cell.label}, depth {cell.depth}{codec}"
