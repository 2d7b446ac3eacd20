"""A link within one device: hand a slot over without a copy."""

from queue import SimpleQueue

from worker.clock import clock
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Inlet, Outlet, SentHook, ignore_sent
from worker.links.slots import Slot, SlotPool
from worker.wire.codecs import NO_CODEC
from worker.wire.errors import RefusedError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import LinkSpec

__all__ = ["InProcessLink"]


class InProcessLink(Inlet, Outlet):
    """Both ends of the link."""

    immediate = True
    reuses_memory = True

    def __init__(self, spec: LinkSpec, depth: int, scope: CancelScope, *, with_memory: bool) -> None:
        if spec.emulation is not None:
            raise RefusedError(f"link {spec.name} stays on one device and cannot be emulated")
        if spec.codec != NO_CODEC.name:
            raise RefusedError(f"link {spec.name} stays on one device and cannot use codec {spec.codec}")
        self.name = spec.name
        self.layout = LinkLayout(spec.tensors)
        self.pool = SlotPool(self.layout, depth, with_memory=with_memory)
        self.on_sent: SentHook = ignore_sent
        self._queue: SimpleQueue[Slot | None] = SimpleQueue()
        scope.at_end(self._stop)

    def send(self, slot: Slot) -> None:
        """Hand the slot over."""
        self.on_sent(slot, 0.0, 0.0)
        slot.receive_s = 0.0
        slot.received_at_s = clock()
        self._queue.put(slot)

    def send_now(self, slot: Slot) -> bool:
        self.send(slot)
        return True

    def receive(self) -> Slot | None:
        return self._queue.get()

    def wait_open(self, timeout_s: float) -> None:
        """Return at once: it is always open."""

    def _stop(self, _cause: WorkerError | None) -> None:
        self._queue.put(None)
        self.pool.stop()
