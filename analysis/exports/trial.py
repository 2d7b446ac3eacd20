"""What every row of every export says of its trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.data.sweep import CellResult
from analysis.data.trial_metrics import TrialMeasures
from analysis.tables.cells import cell_columns
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
        columns = cell_columns(self.result)
        columns |= {"trial": self.trial.number, "split": columns["where"]}
        return {key: columns[key] for key in KEYS}
