"""What each stage computed when, for a dozen requests of a trial."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.data.trial_metrics import rows_of_requests
from controller.results import Trial

__all__ = ["Bar", "bars_of"]

_REQUESTS = 12


@dataclass(frozen=True)
class Bar:
    """A stage with a request in hand, in seconds since the first bar shown."""

    stage: str
    request: int
    start_s: float
    stop_s: float


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
