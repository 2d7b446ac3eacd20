"""A relay: what one link brings goes on over another one, as it is."""

from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.ends import Inlet, Outlet
from worker.links.sender import Sender

__all__ = ["Relay"]


class Relay:
    """Receives and sends on in two threads, so that one request leaves while the next arrives.

    A payload is neither decoded nor copied: it is sent from the slot that it was received into. So the two
    links carry the same tensors under the same codec, and the inlet is one that passes payloads on.
    """

    def __init__(self, inlet: Inlet, outlet: Outlet, scope: CancelScope) -> None:
        self._inlet = inlet
        self._sender = Sender(outlet, scope)
        self._threads = ThreadGroup(scope)

    def begin(self) -> None:
        """Start the threads; the links' other ends need not be connected yet."""
        self._threads.begin(f"receive {self._inlet.name}", self._receive)
        self._sender.begin(self._threads, self._inlet.name)

    def join(self) -> None:
        """Wait for the threads; the scope has ended."""
        self._threads.join()

    def _receive(self) -> None:
        send = self._sender.send
        while (slot := self._inlet.receive()) is not None:
            slot.ready_at_s = slot.received_at_s
            send(slot)
