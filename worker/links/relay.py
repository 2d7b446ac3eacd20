"""A relay: what one link brings goes on over another one, as it is."""

from queue import SimpleQueue

from worker.lifeline import Lifeline
from worker.links.ends import Inlet, Outlet
from worker.loops import Loops
from worker.slots import Slot
from worker.wire.errors import WorkerError

__all__ = ["Relay"]


class Relay:
    """Receives and sends on in two threads, so that one request leaves while the next arrives.

    A payload is neither decoded nor copied: it is sent from the slot that it was received into. So the two
    links carry the same tensors under the same codec, and the inlet is one that passes payloads on.
    """

    def __init__(self, inlet: Inlet, outlet: Outlet, lifeline: Lifeline) -> None:
        self._inlet, self._outlet = inlet, outlet
        self._leaving: SimpleQueue[Slot | None] = SimpleQueue()
        self._loops = Loops(lifeline)
        lifeline.at_end(self._stop)

    def begin(self) -> None:
        """Start the threads; the links' other ends need not be connected yet."""
        loops = [("receive", self._receive)]
        if not self._outlet.immediate:
            loops.append(("send", self._send))
        for name, loop in loops:
            self._loops.begin(f"{name} {self._inlet.name}", loop)

    def join(self) -> None:
        """Wait for the threads; the lifeline has ended."""
        self._loops.join()

    def _receive(self) -> None:
        send = self._outlet.send if self._outlet.immediate else self._leaving.put
        while (slot := self._inlet.receive()) is not None:
            slot.ready_at_s = slot.received_at_s
            send(slot)

    def _send(self) -> None:
        while (slot := self._leaving.get()) is not None:
            self._outlet.send(slot)

    def _stop(self, _cause: WorkerError | None) -> None:
        self._leaving.put(None)
