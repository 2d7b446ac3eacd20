"""What was predicted of cells, and what came of it: the file that `controller bench-plan` writes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import ResultsError

__all__ = ["FILE", "Errors", "PredictedCell", "errors_of", "find_predictions", "load_predictions"]

FILE = "bench-plan.json"


@dataclass(frozen=True)
class PredictedCell:
    """A cell as predicted and as measured.

    Attributes:
        depth: At 1 the seconds are of a request's median latency, above it between two results.
        repeated_s: One trial at another time: what no prediction can beat.
    """

    model: str
    network: str
    cut: int
    depth: int
    predicted_s: float
    measured_s: float
    repeated_s: float


@dataclass(frozen=True)
class Errors:
    """Relative errors over cells: median and 95th percentile, and those of the repeated measurement."""

    cells: int
    median: float
    p95: float
    noise_median: float
    noise_p95: float


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
        rows = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return tuple(_cell(row) for row in rows)
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path} has no predicted and measured cells; python -m controller bench-plan writes such a file"
        ) from error


def _cell(row: Any) -> PredictedCell:
    cell = PredictedCell(
        str(row["model"]),
        str(row["network"]),
        int(row["cut"]),
        int(row["depth"]),
        *(float(row[key]) for key in ("predicted", "measured", "repeated")),
    )
    if not min(cell.predicted_s, cell.measured_s, cell.repeated_s) > 0:
        raise ValueError("a time that is not above 0")
    return cell


def errors_of(found: Sequence[PredictedCell]) -> Errors:
    """How far off predictions are, beside how far off a repetition is."""
    measured = np.array([c.measured_s for c in found])
    errors, noise = (
        np.abs(np.array(values) / measured - 1)
        for values in ([c.predicted_s for c in found], [c.repeated_s for c in found])
    )
    return Errors(
        len(found),
        *(float(np.quantile(which, q)) for which in (errors, noise) for q in (0.5, 0.95)),
    )
