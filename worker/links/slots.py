"""Slots: the reused memory of requests.

A pool has one slot more than the depth. Credits keep at most `depth` requests in a pipeline, and one slot
may be on its way back when the next request arrives; so a pool is never empty unless a neighbour cheats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.wire.frames import LinkLayout

__all__ = ["Array", "Slot", "SlotPool"]

Array = NDArray[np.generic]

_ALIGNMENT: Final = 64


@dataclass(eq=False, repr=False, slots=True)
class Slot:
    """Tensors of one request on one link, and its times so far.

    `buffers` is the frame as it goes over the wire: the prefix, then each tensor's bytes. `held` is a slot of
    the link before, whose tensors this one passes on; both go back together. `unsent` is the rest of a frame
    that was sent in part.
    """

    pool: "SlotPool"
    prefix: bytearray
    arrays: list[Array]
    buffers: list[memoryview] = field(init=False)
    held: "Slot | None" = None
    request: int = 0
    receive_s: float = 0.0
    decode_s: float = 0.0
    encode_s: float = 0.0
    wait_encode_s: float = 0.0
    received_at_s: float = 0.0
    ready_at_s: float = 0.0
    sending_at_s: float = 0.0
    unsent: Sequence[memoryview] = ()
    noted: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.buffers = [memoryview(self.prefix), *(bytes_of(array) for array in self.arrays)]

    def give_back(self) -> None:
        """Return to the pool, for another request."""
        held, self.held = self.held, None
        self.pool.put(self)
        if held is not None:
            held.give_back()


class SlotPool:
    """The slots of one end of a link; the last one back is the next one out: it is still in the cache.

    `with_memory=False` makes slots without memory, for a source whose batches exist already.
    """

    def __init__(self, layout: LinkLayout, depth: int, *, with_memory: bool = True) -> None:
        self.layout = layout
        self.slots = tuple(self._new_slot(with_memory) for _ in range(depth + 1))
        self._free: list[Slot] = []
        # One True for each free slot; False ends a waiting `take`.
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        for slot in self.slots:
            self.put(slot)

    def _new_slot(self, with_memory: bool) -> Slot:
        arrays = (
            [_aligned(tensor.shape, tensor.dtype) for tensor in self.layout.tensors] if with_memory else []
        )
        return Slot(self, self.layout.new_prefix(), arrays)

    def put(self, slot: Slot) -> None:
        """Take a slot back."""
        self._free.append(slot)
        self._tokens.put(True)

    def take(self) -> Slot | None:
        """Wait for a free slot; None once the pool is stopped."""
        return self._free.pop() if self._tokens.get() else None

    def take_now(self) -> Slot | None:
        """A free slot, or None when all are in use."""
        try:
            return self._free.pop() if self._tokens.get_nowait() else None
        except Empty:
            return None

    def stop(self) -> None:
        """End a waiting `take`."""
        self._tokens.put(False)


def bytes_of(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def _aligned(shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> Array:
    # numpy's product would wrap at 2^63.
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
