"""A relay: forward one link's frames over another link, unchanged."""

from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.ends import Inlet, Outlet
from worker.links.sender import Sender

__all__ = ["Relay"]


class Relay:
    """Receive and send in two threads, so that one request leaves while the next arrives.

    The relay neither decodes nor copies a payload: it sends from the slot that received it. So both links
    carry the same tensors under the same codec, and the inlet passes payloads on.
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
