"""What every row of every export says of its trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.data.sweep import CellResult
from analysis.data.trial_metrics import TrialMeasures
from controller.results import DeviceRow, Trial

__all__ = ["KEYS", "Exported"]

KEYS = (
    *("cell", "trial", "model", "network", "split", "cuts", "devices", "depth", "batch", "codec", "load"),
    *("topology", "backend"),
)


@dataclass(frozen=True)
class Exported:
    """A finished trial with all that its rows are made from.

    Attributes:
        manifest: Of its bundle.
        machines: The devices as they were when the sweep began.
        telemetry: Samples by device, in time order; the first is of the moment before the trial.
    """

    result: CellResult
    trial: Trial
    figures: TrialMeasures
    manifest: Mapping[str, Any]
    machines: Mapping[str, DeviceRow]
    telemetry: Mapping[str, Sequence[Mapping[str, Any]]]

    def keys(self) -> dict[str, Any]:
        """The columns `KEYS`."""
        cell = self.result.cell
        values = (
            *(cell.id, self.trial.number, cell.model, cell.network, self.result.split.where),
            *(";".join(map(str, cell.cuts)), ";".join(cell.devices), cell.depth, cell.batch, cell.codec),
            self.result.load,
            *(cell.topology, cell.backend),
        )
        return dict(zip(KEYS, values, strict=True))
