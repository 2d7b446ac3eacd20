"""Send finished slots: at once in the caller's thread, or later in a thread for sending."""

from queue import SimpleQueue

from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.ends import Outlet
from worker.links.slots import Slot
from worker.wire.errors import WorkerError

__all__ = ["Sender"]


class Sender:
    """The way to an outlet without blocking the caller; frames leave in the order of `send`.

    Waking a thread and handing it the interpreter costs more than sending a small frame: the caller's thread
    sends what the outlet takes at once. Its own thread sends the rest, and everything after it until it is
    gone. One thread only may call `send`.
    """

    def __init__(self, outlet: Outlet, scope: CancelScope) -> None:
        self._outlet = outlet
        self._queue: SimpleQueue[Slot | None] = SimpleQueue()
        self._queued = 0
        self._gone = 0
        scope.at_end(self._stop)

    def begin(self, threads: ThreadGroup, name: str) -> None:
        """Start the thread, where the outlet may need one."""
        if not self._outlet.immediate:
            threads.begin(f"send {name}", self._work)

    def send(self, slot: Slot) -> None:
        """Send, now or later. Raises PeerError: the other end is lost."""
        if self._queued == self._gone and self._outlet.send_now(slot):
            return
        self._queued += 1
        self._queue.put(slot)

    def _work(self) -> None:
        while (slot := self._queue.get()) is not None:
            self._outlet.send(slot)
            self._gone += 1

    def _stop(self, _cause: WorkerError | None) -> None:
        self._queue.put(None)
