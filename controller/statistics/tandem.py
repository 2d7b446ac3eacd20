"""Stations in a row, each with one request at a time: when requests leave the last of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNBOUNDED", "Chain", "finish_times"]

Floats = NDArray[np.float64]

UNBOUNDED: Final = 2**31
"""A depth that no run reaches."""


@dataclass(frozen=True)
class Chain:
    """What each request took of a pipeline, waits left out.

    Attributes:
        services_s: [request, station].
        delays_s: [request], after the last station: time that requests spend side by side.
        depth: So many requests may be in the pipeline; others wait in front of it.
    """

    services_s: Floats
    delays_s: Floats
    depth: int = UNBOUNDED

    @property
    def least_s(self) -> Floats:
        """[request], its latency without any wait."""
        least_s: Floats = self.services_s.sum(axis=1) + self.delays_s
        return least_s

    def part(self, requests: slice) -> "Chain":
        """The same of some requests."""
        return Chain(self.services_s[requests], self.delays_s[requests], self.depth)


def finish_times(due_s: Floats, services_s: Sequence[Floats], delays_s: Floats, depth: int) -> Floats:
    """When each request has left, in the order in which they are due.

    Lindley's recursion for a row of stations: a request begins at a station when it has left the one before
    and the station has finished the request before it ("The theory of queues with a single server",
    Mathematical Proceedings of the Cambridge Philosophical Society 48, 1952). It enters once fewer than
    `depth` others are inside. All begin with an empty pipeline.

    Args:
        due_s: [request, repetition]; repetitions are independent of each other.
        services_s: By station, of the same shape.
        delays_s: Of the same shape.
    """
    finished = np.empty_like(due_s)
    free_at_s = [np.full(due_s.shape[1:], -np.inf) for _ in services_s]
    last_s = np.full(due_s.shape[1:], -np.inf)
    # A request depends on the one `depth` before it, so as many are computed at once.
    step = min(depth, len(due_s))
    for start in range(0, len(due_s), step):
        now = slice(start, start + step)
        ready_s = due_s[now]
        if start:
            ready_s = np.maximum(ready_s, finished[start - step : start - step + len(ready_s)])
        for station, service_s in enumerate(services_s):
            worked_s = np.cumsum(service_s[now], axis=0)
            begun_s = np.maximum.accumulate(ready_s - (worked_s - service_s[now]), axis=0)
            ready_s = worked_s + np.maximum(begun_s, free_at_s[station])
            free_at_s[station] = ready_s[-1]
        finished[now] = np.maximum(np.maximum.accumulate(ready_s + delays_s[now], axis=0), last_s)
        last_s = finished[start : start + step][-1]
    return finished
