"""The one life that all threads of a pipeline share: the first failure ends it for all of them."""

import threading
from collections.abc import Callable

from worker.wire.errors import FailedError, WorkerError

__all__ = ["Lifeline"]


class Lifeline:
    """Remembers the first failure, and stops everything once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._cause: WorkerError | None = None
        self._at_end: list[Callable[[WorkerError | None], None]] = []

    @property
    def ended(self) -> bool:
        """Whether it failed or was ended."""
        return self._ended

    @property
    def cause(self) -> WorkerError | None:
        """The first failure, if there was one."""
        return self._cause

    def at_end(self, stop: Callable[[WorkerError | None], None]) -> None:
        """Call `stop` with the cause once this ends (None: an orderly end). It must neither block nor raise."""
        self._at_end.append(stop)

    def fail(self, cause: BaseException) -> None:
        """Something failed: the first cause is kept and everything stops. May be called from any thread."""
        if not isinstance(cause, WorkerError):
            cause = FailedError(f"{type(cause).__name__}: {cause}")
        self._end(cause)

    def end(self) -> None:
        """Stop everything, in order."""
        self._end(None)

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._cause is not None:
            raise self._cause

    def _end(self, cause: WorkerError | None) -> None:
        with self._lock:
            if self._ended:
                return
            self._cause = cause
            self._ended = True
        for stop in self._at_end:
            stop(cause)
