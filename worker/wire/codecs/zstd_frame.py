"""Check a zstd frame's header before the library takes memory for it (RFC 8878, 3.1.1).

A decoder takes as much memory as the frame's window, up to 128 MB for a frame of ten bytes. Our encoder makes
one frame that states its decoded size, so nothing else passes.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_one_frame_of"]

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_MOST_IN_BLOCK: Final = 128 * 1024


def is_one_frame_of(data: NDArray[np.uint8], payload_bytes: int) -> bool:
    """Whether `data` is one complete frame of `payload_bytes`, with a window no larger."""
    head = data[:18].tobytes()
    if len(head) < 6 or head[:4] != _MAGIC:
        return False
    descriptor = head[4]
    single = descriptor >> 5 & 1
    # Dictionaries, and the bit that must be 0.
    if descriptor & 0b1011:
        return False
    at = 5
    if not single:
        exponent, mantissa = head[at] >> 3, head[at] & 7
        base = 1 << (10 + exponent)
        if base + base // 8 * mantissa > max(payload_bytes, 1024):
            return False
        at += 1
    size_bytes = _CONTENT_SIZE_BYTES[descriptor >> 6] or single
    content_bytes = int.from_bytes(head[at : at + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    if not size_bytes or content_bytes != payload_bytes:
        return False
    end = _end_of_blocks(data, at + size_bytes)
    return end is not None and end + (4 if descriptor & 4 else 0) == len(data)


def _end_of_blocks(data: NDArray[Any], at: int) -> int | None:
    """The end of the last block; None if it is missing."""
    while at + 3 <= len(data):
        header = int.from_bytes(data[at : at + 3].tobytes(), "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == 3 or size > _MOST_IN_BLOCK:
            return None
        # A block of one byte repeated holds that byte alone.
        at += 3 + (1 if kind == 1 else size)
        if last:
            return at
    return None
