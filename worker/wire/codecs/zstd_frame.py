"""What a zstd frame says of itself, read before the library takes memory for it (RFC 8878, 3.1.1).

A decoder takes as much memory as the frame's window, up to 128 MB for a frame of ten bytes. What our encoder
makes is one frame that says how much comes out of it, so nothing else is let through.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_one_frame_of"]

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_MOST_IN_BLOCK: Final = 128 * 1024


def is_one_frame_of(data: NDArray[np.uint8], payload_bytes: int) -> bool:
    """Whether `data` is one whole frame of `payload_bytes`, and wants no larger window than these."""
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
    told = int.from_bytes(head[at : at + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    if not size_bytes or told != payload_bytes:
        return False
    end = _end_of_blocks(data, at + size_bytes)
    return end is not None and end + (4 if descriptor & 4 else 0) == len(data)


def _end_of_blocks(data: NDArray[Any], at: int) -> int | None:
    """Where the last block ends; None where there is none."""
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
