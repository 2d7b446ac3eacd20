"""Watch devices during a long request, and end the wait for it when one stops answering."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from controller.errors import EXITED, DeviceError
from controller.lab.worker_client import ClaimedWorker

__all__ = ["PATIENCE_S", "Watchdog"]

_EVERY_S = 3.0
"""Nothing disturbs shorter trials."""

PATIENCE_S = 5.0
"""The longest time for a device to answer."""


class Watchdog:
    """A watchdog that, while entered, checks every device's pulse periodically over its own connection.

    A stopped process keeps its connections open, so only a new connection distinguishes it from a busy one.

    Attributes:
        lost: The lost device's error; None while all answer.
    """

    def __init__(
        self,
        workers: Iterable[ClaimedWorker],
        end_wait: Callable[[], None],
        *,
        every_s: float = _EVERY_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Call `end_wait` once, from another thread, when a device is lost."""
        self._workers = tuple(workers)
        self._end_wait = end_wait
        self._every_s = every_s
        self._patience_s = patience_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.lost: DeviceError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        # A running check ends by itself, without ending the wait.

    def is_lost(self) -> bool:
        """Whether a device is lost."""
        return self.lost is not None

    def _look(self) -> None:
        while not self._over.wait(self._every_s):
            for worker in self._workers:
                error = self._examine(worker)
                if self._over.is_set():
                    return
                if error is not None:
                    self.lost = error
                    self._end_wait()
                    return

    def _examine(self, worker: ClaimedWorker) -> DeviceError | None:
        """Return None as soon as the device answers, within `patience_s` and two tries, else its error."""
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                worker.pulse(timeout_s=self._patience_s / 2)
            except DeviceError as error:
                if error.cause == EXITED or time.monotonic() > deadline_s - self._patience_s / 4:
                    return error
                if self._over.wait(0.1):
                    return None
            else:
                return None
