"""When a run is long enough: by count or by time, and when its estimate is stable."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from worker.wire.errors import RefusedError

__all__ = ["COMPARED_WINDOWS", "MOST_WINDOWS", "STABLE_WITHIN", "Windows", "began_at_s"]

COMPARED_WINDOWS: Final = 3
"""This many windows at the end of a run must agree."""

MOST_WINDOWS: Final = 10
"""A run ends after this many, stable or not."""

STABLE_WITHIN: Final = 0.10
"""They agree when the largest is at most this much above the smallest."""


class Windows:
    """Cut a run into windows as its results arrive.

    The estimate that must be stable is the median latency of a window: in a closed loop latency and
    throughput are one variable (Little's law), and in an open loop the throughput is given.

    Attributes:
        filling: how many requests come before the first window.
        limit: the most requests that the source sends; None without a limit.
        stable: whether the last windows agree; None if not requested, or unknown.
    """

    def __init__(
        self,
        requests: int,
        *,
        filling: int = 0,
        until_stable: bool = False,
        duration_s: float | None = None,
    ) -> None:
        """Raises RefusedError: nothing to run.

        Args:
            requests: how many the measured part of the run has; ignored with a duration.
            filling: how many come first and do not count: they meet an emptier pipeline than the others.
            until_stable: continue until three consecutive thirds of `requests`, or of the duration, agree.
            duration_s: end by time.
        """
        if requests < 1 or (duration_s is not None and duration_s <= 0):
            raise RefusedError(f"cannot run {requests} requests, or for {duration_s} s")
        self._requests = requests
        self._duration_s = duration_s
        self.filling = filling
        self._parts = COMPARED_WINDOWS
        if not until_stable or (duration_s is None and requests < COMPARED_WINDOWS):
            self._parts = 1
        self._most = MOST_WINDOWS if self._parts > 1 else 1
        self._bounds = [filling]
        self._medians_s: list[float] = []
        self.limit = self._bound(self._most) if duration_s is None else None
        self.stable: bool | None = None

    @property
    def measured_from(self) -> int:
        """The first request of the windows that count: the last three."""
        return self._bounds[max(0, len(self._bounds) - 1 - self._parts)]

    @property
    def measured_to(self) -> int:
        """One past the last request that counts; later ones only kept the pipeline full."""
        return self._bounds[-1]

    @property
    def count(self) -> int:
        """How many windows have ended."""
        return len(self._bounds) - 1

    def _bound(self, window: int) -> int:
        # Any three windows in a row have `requests` together, whether 3 divides it or not.
        return self.filling + self._requests * window // self._parts

    def ends(self, scheduled_at_s: Sequence[float], finished_at_s: Sequence[float]) -> bool:
        """Whether the latest result ends the run, given the times of all requests so far."""
        results = len(finished_at_s)
        if results <= self.filling:
            return False
        if self._duration_s is None:
            if results < self._bound(self.count + 1):
                return False
        elif finished_at_s[-1] < (
            began_at_s(self.filling, scheduled_at_s, finished_at_s)
            + self._duration_s * (self.count + 1) / self._parts
        ):
            return False
        first = self._bounds[-1]
        latency_s = np.subtract(finished_at_s[first:results], scheduled_at_s[first:results])
        self._medians_s.append(float(np.median(latency_s)))
        self._bounds.append(results)
        if self._parts == 1:
            return True
        last = self._medians_s[-self._parts :]
        self.stable = len(last) == self._parts and max(last) <= min(last) * (1 + STABLE_WITHIN)
        return self.stable or self.count == self._most


def began_at_s(first: int, scheduled_at_s: Sequence[float], finished_at_s: Sequence[float]) -> float:
    """When the time of request `first` and the later ones began: with the result before it, if any.

    Else when the first request was due.
    """
    return finished_at_s[first - 1] if first else scheduled_at_s[0]
