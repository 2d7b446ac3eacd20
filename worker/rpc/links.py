"""Links over PyTorch RPC: each request is one `rpc_async` to the worker at the receiving end.

RPC carries a frame in one call, with nothing inside to time. `send_s` is the sender's time in that call,
`receive_s` is 0, and the tensors' wait in RPC's own queues counts as network share.
"""

import threading
from functools import partial
from queue import SimpleQueue
from typing import Any

import torch
from torch.distributed import rpc

from worker.clock import clock
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Connector, Inlet, Outlet, SentHook, ignore_sent
from worker.links.links import LinkEnds
from worker.links.slots import Slot, SlotPool
from worker.rpc.world import World, last_line
from worker.wire.codecs import NO_CODEC
from worker.wire.errors import PeerError, ProtocolError, RefusedError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import BuildPipeline, LinkSpec

__all__ = ["RpcLinks"]

# For incoming calls: by the names of the links that end here.
_inlets: "dict[str, RpcInlet]" = {}


class RpcInlet(Inlet):
    """Take requests from RPC's threads, and pass them on in the order of sending."""

    immediate = True
    reuses_memory = False

    def __init__(self, spec: LinkSpec, depth: int, scope: CancelScope) -> None:
        self.name = spec.name
        self.layout = LinkLayout(spec.tensors)
        self._pool = SlotPool(self.layout, depth, with_memory=False)
        for slot in self._pool.slots:
            # These never go out as frames.
            slot.buffers += [memoryview(b"")] * len(self.layout.tensors)
        self._depth = depth
        self._lock = threading.Lock()
        self._next = 0
        self._early: dict[int, Slot] = {}
        self._queue: SimpleQueue[Slot | None] = SimpleQueue()
        scope.at_end(self._stop)

    def wait_open(self, timeout_s: float) -> None:
        """Return at once: all have joined."""

    def receive(self) -> Slot | None:
        return self._queue.get()

    def put(self, number: int, request: int, tensors: list[torch.Tensor]) -> None:
        """Take a request; `number` is its position on this link."""
        arrays = [tensor.numpy() for tensor in tensors]
        forms = [(array.dtype, array.shape) for array in arrays]
        if forms != [(tensor.dtype, tensor.shape) for tensor in self.layout.tensors]:
            raise ProtocolError(f"link {self.name}: its tensors differ from the agreed ones")
        slot = self._pool.take_now()
        if slot is None:
            raise ProtocolError(
                f"link {self.name}: sent more than {self._depth} requests before one came back"
            )
        slot.arrays = arrays
        slot.request = request
        with self._lock:
            # Several threads serve calls, and one may overtake another.
            self._early[number] = slot
            received_at_s = clock()
            while (due := self._early.pop(self._next, None)) is not None:
                self._next += 1
                due.received_at_s = received_at_s
                self._queue.put(due)

    def _stop(self, _cause: WorkerError | None) -> None:
        self._queue.put(None)


class RpcOutlet(Outlet):
    """Call the receiving worker. RPC sends from the slot itself, which is free again after the answer."""

    immediate = True

    def __init__(
        self,
        spec: LinkSpec,
        receiver: str,
        address: str,
        depth: int,
        scope: CancelScope,
        *,
        with_memory: bool,
    ) -> None:
        """`receiver` is a device, `address` its name in RPC."""
        self.name = spec.name
        self.layout = LinkLayout(spec.tensors)
        self.pool = SlotPool(self.layout, depth, with_memory=with_memory)
        if not with_memory:
            for slot in self.pool.slots:
                slot.buffers += [memoryview(b"")] * len(self.layout.tensors)
        self.on_sent: SentHook = ignore_sent
        self._receiver, self._address = receiver, address
        self._number = 0
        self._scope = scope
        scope.at_end(lambda _cause: self.pool.stop())

    def send(self, slot: Slot) -> None:
        began_s = clock()
        tensors = [torch.from_numpy(array) for array in slot.arrays]
        call = rpc.rpc_async(
            self._address,
            deliver,
            (self.name, self._number, slot.request, tensors),
            timeout=0,
        )
        self._number += 1
        self.on_sent(slot, 0.0, clock() - began_s)
        call.add_done_callback(partial(self._answered, slot))

    def send_now(self, slot: Slot) -> bool:
        self.send(slot)
        return True

    def _answered(self, slot: Slot, call: Any) -> None:
        try:
            call.wait()
        except Exception as error:
            if not self._scope.ended.is_set():
                self._scope.fail(
                    PeerError(f"link {self.name} to worker {self._receiver} failed: {last_line(error)}")
                )
            return
        slot.give_back()


class RpcLinks(LinkEnds[RpcInlet, RpcOutlet]):
    """The link ends of one device over RPC."""

    def __init__(self, build: BuildPipeline, scope: CancelScope) -> None:
        """Raises RefusedError: see `LinkEnds`; or a link has a codec or emulated conditions."""
        assert build.rpc is not None
        self._world = World(build.rpc, scope)
        self._routes = {route.link: route for route in build.rpc.routes}
        self._peers: dict[str, None] = {}
        super().__init__(build, scope)
        _inlets.update(self.inlets)

    def new_inlet(self, spec: LinkSpec, depth: int, scope: CancelScope) -> RpcInlet:
        _check(spec)
        self._peers[self._routes[spec.name].sender] = None
        return RpcInlet(spec, depth, scope)

    def new_outlet(self, spec: LinkSpec, depth: int, scope: CancelScope, *, with_memory: bool) -> RpcOutlet:
        _check(spec)
        receiver = self._routes[spec.name].receiver
        self._peers[receiver] = None
        return RpcOutlet(spec, receiver, self._world.address(receiver), depth, scope, with_memory=with_memory)

    def stand_ready(self) -> None:
        """Join the others in the background, as everything is built here."""
        self._world.begin()

    def open(self, _sender: str, _connector: Connector) -> None:
        """Wait until the others have joined. Raises WorkerError: not all have."""
        self._world.enter(self._peers)

    def close(self) -> None:
        """Leave the others; the scope has ended."""
        self._world.leave()


def deliver(link: str, number: int, request: int, tensors: list[torch.Tensor]) -> None:
    """Deliver a request; the sender calls this on the receiving worker."""
    _inlets[link].put(number, request, tensors)


def _check(spec: LinkSpec) -> None:
    if spec.emulation is not None:
        raise RefusedError(f"link {spec.name} goes over PyTorch RPC and cannot be emulated")
    if spec.codec != NO_CODEC.name:
        raise RefusedError(f"link {spec.name} goes over PyTorch RPC, which has no codec {spec.codec}")
