"""The shared end of a pipeline's threads: the first failure cancels all of them."""

import threading
from collections.abc import Callable

from worker.wire.errors import FailedError, WorkerError, reason_of

__all__ = ["CancelScope", "ThreadGroup"]

_STOPPING_TIMEOUT_S = 5.0


class CancelScope:
    """Stop everything once, and remember why; sets `ended` first."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._cause: WorkerError | None = None
        self._at_end: list[Callable[[WorkerError | None], None]] = []

    def at_end(self, stop: Callable[[WorkerError | None], None]) -> None:
        """Call `stop` once this ends, with the failure, or None for an orderly end.

        `stop` must neither block nor raise.
        """
        self._at_end.append(stop)

    def fail(self, cause: BaseException) -> None:
        """Stop everything after a failure, and tell the neighbours why; from any thread."""
        if not isinstance(cause, WorkerError):
            cause = FailedError(f"{type(cause).__name__}: {reason_of(cause)}")
        self._end(cause, failure=cause)

    def leave(self, cause: WorkerError) -> None:
        """Leave as a neighbour has left, in order. A failure only for a later run."""
        self._end(cause, failure=None)

    def end(self) -> None:
        """Stop everything in order; return once every `stop` was called."""
        self._end(None, failure=None)
        self._stopped.wait(_STOPPING_TIMEOUT_S)

    def check(self) -> None:
        """Raise why it ended, unless by `end`."""
        if self._cause is not None:
            raise self._cause

    def _end(self, cause: WorkerError | None, *, failure: WorkerError | None) -> None:
        with self._lock:
            if self.ended.is_set():
                return
            self._cause = cause
            self.ended.set()
        for stop in self._at_end:
            stop(failure)
        # They hold references back to us.
        self._at_end.clear()
        self._stopped.set()


class ThreadGroup:
    """Threads that fail the scope when their loop raises."""

    def __init__(self, scope: CancelScope) -> None:
        self._scope = scope
        self._threads: list[threading.Thread] = []

    def begin(self, name: str, loop: Callable[[], None]) -> None:
        """Run `loop` in its own thread."""
        thread = threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for the threads; the scope has ended."""
        for thread in self._threads:
            thread.join()

    def _guard(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:
            self._scope.fail(error)
