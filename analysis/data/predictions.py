"""Predicted and measured cells of a planned sweep, and of a file of `benchmarks bench-plan`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis.data.sweep import Sweep
from analysis.errors import ResultsError
from controller.results import Cell

__all__ = [
    "FILE",
    "Errors",
    "PredictedCell",
    "Source",
    "errors_of",
    "find_predictions",
    "load_predictions",
    "predictions_of",
]

FILE = "bench-plan.json"

Source = Literal["sweep", "bench"]
"""Whose cells they are: those of the results, or those of a file of `benchmarks bench-plan`."""


@dataclass(frozen=True)
class PredictedCell:
    """A cell as predicted and as measured.

    Attributes:
        network: The network.
        where: Where it cuts.
        depth: At 1 the seconds are of a request's median latency, above it between two results.
        repeated_s: Measured again at another time: what no prediction can beat. None where it was not.
        cell: The sweep's own cell; None of a bench's.
    """

    model: str
    network: str
    where: str
    depth: int
    predicted_s: float
    measured_s: float
    repeated_s: float | None = None
    source: Source = "sweep"
    cell: Cell | None = None


@dataclass(frozen=True)
class Errors:
    """Relative errors over cells: median and 95th percentile, and those of a repeated measurement, if any."""

    cells: int
    median: float
    p95: float
    noise_median: float | None = None
    noise_p95: float | None = None


def predictions_of(sweep: Sweep, file: Path | None = None) -> tuple[PredictedCell, ...]:
    """Predictions that a planned sweep went by, of those cells that it has measured, then those of a file.

    Args:
        file: What `benchmarks bench-plan` wrote; None: that beside the results, if there is one.

    Raises:
        ResultsError: The file cannot be read, or is not one of predictions.
    """
    seconds = {predicted.cell: predicted.seconds for predicted in sweep.predicted}
    cells = []
    for result in sweep.cells:
        measured_s = result.latency().value
        if result.cell.depth > 1:
            rate = result.throughput.value
            measured_s = result.cell.batch / rate if rate else None
        if result.cell.id in seconds and measured_s:
            cell = result.cell
            cells.append(
                PredictedCell(
                    sweep.title(cell.bundle),
                    cell.network,
                    result.split.where,
                    cell.depth,
                    seconds[cell.id],
                    measured_s,
                    cell=cell,
                )
            )
    file = file or find_predictions(sweep.path)
    return (*cells, *(load_predictions(file) if file else ()))


def find_predictions(results: Path) -> Path | None:
    """The file of predictions beside a results file, if there is one."""
    path = results.parent / FILE
    return path if path.is_file() else None


def load_predictions(path: Path) -> tuple[PredictedCell, ...]:
    """Read the cells of a file of predictions.

    Raises:
        ResultsError: It cannot be read, or is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_cell(row) for row in [*content["cells"], *content["long_chains"]])
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResultsError(
            f"{path} has no predicted and measured cells; python -m benchmarks bench-plan writes such a file"
        ) from error


def _where(devices: list[str], cuts: list[int]) -> str:
    points = ", ".join(str(int(cut)) for cut in cuts)
    return f"cut point {points}" if len(cuts) == 1 else f"cut points {points} on {', '.join(devices)}"


def _cell(row: Any) -> PredictedCell:
    predicted_s, measured_s = float(row["predicted"]), float(row["measured"])
    repeated_s = None if row["repeated"] is None else float(row["repeated"])
    if not min(predicted_s, measured_s, repeated_s or measured_s) > 0:
        raise ValueError("a time that is not above 0")
    return PredictedCell(
        str(row["model"]),
        str(row["network"]),
        _where(row["devices"], row["cuts"]),
        int(row["depth"]),
        predicted_s,
        measured_s,
        repeated_s,
        "bench",
    )


def errors_of(cells: Sequence[PredictedCell]) -> Errors:
    """How far off predictions are, beside how far off a repetition is."""
    off = [abs(c.predicted_s / c.measured_s - 1) for c in cells]
    noise = [abs(c.repeated_s / c.measured_s - 1) for c in cells if c.repeated_s is not None]
    quantiles = [float(np.quantile(which, q)) for which in (off, noise) if which for q in (0.5, 0.95)]
    return Errors(len(cells), *quantiles)
