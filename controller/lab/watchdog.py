"""Watch devices during a long request, and end the wait for it when one stops answering."""

import threading
import time
from collections.abc import Iterable
from typing import Self

from controller.errors import EXITED, DeviceError
from controller.lab.worker_client import ClaimedWorker
from worker.wire.errors import WorkerError

__all__ = ["PATIENCE_S", "Watchdog"]

_EVERY_S = 3.0
"""Nothing disturbs shorter trials."""

PATIENCE_S = 5.0
"""The longest time for a device to answer."""


class Watchdog:
    """A watchdog that, while entered, checks every device's pulse periodically over its own connection.

    A stopped process keeps its connections open, so only a new connection distinguishes it from a busy one.

    When a device is lost, it interrupts every worker's connection, and raises the device's error in place of
    the one that the interruption caused.
    """

    def __init__(self, workers: Iterable[ClaimedWorker], *, patience_s: float = PATIENCE_S) -> None:
        self._workers = tuple(workers)
        self._patience_s = patience_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._lost: DeviceError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._over.set()
        # A running check ends by itself, without ending the wait.
        if self._lost is not None and isinstance(error, DeviceError | WorkerError):
            raise self._lost from error

    def is_lost(self) -> bool:
        """Whether a device is lost."""
        return self._lost is not None

    def _look(self) -> None:
        while not self._over.wait(_EVERY_S):
            for worker in self._workers:
                error = self._examine(worker)
                if self._over.is_set():
                    return
                if error is not None:
                    self._lost = error
                    for each in self._workers:
                        each.connection.interrupt()
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
