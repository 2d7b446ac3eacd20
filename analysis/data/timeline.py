"""What each stage computed when, for a dozen requests of a trial."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.data.trial_metrics import rows_of_requests
from analysis.errors import ResultsError
from controller.results import Results, Trial
from controller.results.metrics import stage_name

__all__ = ["Bar", "Timelines", "bars_of"]

_REQUESTS = 12


@dataclass(frozen=True)
class Bar:
    """A stage with a request in hand, in seconds since the first bar shown."""

    stage: str
    request: int
    start_s: float
    stop_s: float


class Timelines(Mapping[str, tuple[Bar, ...]]):
    """By the id of a cell the bars of its first trial, read from the results file when someone wants them.

    Args:
        trials: The id of that trial, by cell.
    """

    def __init__(self, path: Path, trials: Mapping[str, int]) -> None:
        self._path, self._trials = path, trials

    def __getitem__(self, cell: str) -> tuple[Bar, ...]:
        number = self._trials[cell]
        with Results.reopen(self._path) as results:
            trial = next(results.trials(cell, after=number - 1), None)
        if trial is None or trial.id != number:
            raise ResultsError(f"{self._path} lost trial {number} while it was read; make the report again")
        devices = [hop.device for hop in trial.hops]
        return bars_of(trial, [stage_name(devices, place) for place in range(len(devices))])

    def __contains__(self, cell: object) -> bool:
        # What a mapping does by itself is to read it.
        return cell in self._trials

    def __iter__(self) -> Iterator[str]:
        return iter(self._trials)

    def __len__(self) -> int:
        return len(self._trials)


def bars_of(trial: Trial, stages: Sequence[str]) -> tuple[Bar, ...]:
    """Bars of a dozen requests from the middle of a trial.

    Each stage keeps time by its own device's clock, and clocks of two devices are never subtracted. A row is
    therefore shifted as a whole, so that the fastest message from the stage before it takes no time at all:
    by how much messages differ is true, how long the fastest one took is not shown.
    """
    hops = [np.sort(rows_of_requests(trial, rows), order="request") for rows in trial.records]
    first = max(0, len(trial.endpoint) // 2 - _REQUESTS // 2)
    bars, ended = [], None
    for stage, rows in zip(stages, hops, strict=True):
        start = rows["compute_at_s"].astype(np.float64)
        stop = start + rows["compute_s"]
        if ended is not None:
            shift = float(np.min(start - ended))
            start, stop = start - shift, stop - shift
        ended = stop
        bars += [
            Bar(stage, int(rows["request"][i]), float(start[i]), float(stop[i]))
            for i in range(first, min(first + _REQUESTS, len(rows)))
        ]
    origin = min((bar.start_s for bar in bars), default=0.0)
    return tuple(Bar(b.stage, b.request, b.start_s - origin, b.stop_s - origin) for b in bars)
