"""The time that a run takes on a slower device, or in a stage with a planted time."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from worker.clock import sleep_for_slowdown, sleep_until
from worker.inference.planted import PlantedRuns
from worker.wire.errors import RefusedError
from worker.wire.messages import PlantedTime

__all__ = ["Slowdown"]


class Slowdown:
    """Makes each run of a model take `factor` times its time at full speed.

    That is the time given to `fix`, the same for all runs: other work on the device stretches a run, and so
    does a core that has gone cold in the sleep before, but neither stretches the sleep after it. Without such
    a time each run takes `factor` times as long as it did itself. Planted runs have a time of their own.
    """

    def __init__(self, factor: float, ended: Event, planted: PlantedTime | None = None) -> None:
        """`ended` cuts a sleep short.

        Raises:
            RefusedError: a planted time is out of its bounds.
        """
        self._factor = factor
        self._ended = ended
        self._planted = None if planted is None else PlantedRuns(planted)
        self._takes_s: float | None = None

    @property
    def lacks_full_speed(self) -> bool:
        """Whether it slows runs down by their own times."""
        return self._factor > 1 and self._planted is None and self._takes_s is None

    def fix(self, full_speed_s: float) -> None:
        """Make each run take `factor` times this time, however long it took itself.

        Raises:
            RefusedError: no run can take this time.
        """
        if not 0 < full_speed_s < math.inf:
            raise RefusedError(f"a stage cannot take {full_speed_s} s at full speed")
        if self._factor > 1:
            self._takes_s = self._factor * full_speed_s

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let runs take as long as they do at full speed."""
        factor, takes_s = self._factor, self._takes_s
        self._factor, self._takes_s = 1.0, None
        try:
            yield
        finally:
            self._factor, self._takes_s = factor, takes_s

    def stay(self, began_s: float, request: int, *, scheduled: bool) -> None:
        """Pass what is left of the time of a run that began at `began_s` and has computed.

        Args:
            request: its number, by which planted times vary.
            scheduled: whether planted times vary; else each takes their mean.
        """
        if self._planted is not None:
            takes_s = self._planted.takes_s(request, began_s, scheduled=scheduled)
            self._planted.stay(began_s, takes_s, self._factor, self._ended)
        elif self._takes_s is None:
            sleep_for_slowdown(began_s, self._factor, self._ended)
        else:
            sleep_until(began_s + self._takes_s, self._ended)
