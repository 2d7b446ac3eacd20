"""The codecs: encode one tensor into bytes, and decode it into the target's memory.

Guarantees for a tensor with only finite values (others go raw), x in, y out:

    fp16         |x - y| <= |x| / 2048 + 2^-25     values beyond 65504: raw
    uint8        |x - y| <= (max - min) / 510      and the rounding of the tensor's own type
    zfp          |x - y| <= tolerance              and the rounding of the tensor's own type
    lz4, zstd    x = y, bit for bit

Lossy codecs encode only floating-point tensors: a quantized index is another index.
"""

import math
import struct
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.wire.codecs.names import Codec
from worker.wire.codecs.zstd_frame import is_one_frame_of
from worker.wire.errors import ProtocolError

__all__ = ["Array", "Bytes", "TensorCoder", "bytes_in", "make_coder"]

Array = NDArray[Any]
Bytes = NDArray[np.uint8]

_FP16_MAX: Final = 65504.0
_AFFINE: Final = struct.Struct("<dd")
_STEPS: Final = 255


class TensorCoder(Protocol):
    """Encodes and decodes tensors of one type and shape, for one thread at a time.

    Attributes:
        room_bytes: The memory that encoding and decoding a tensor need.
    """

    room_bytes: int

    def encode(self, array: Array, room: Bytes) -> int | None:
        """Encode into `room`; returns the bytes used, or None if the tensor must go raw."""

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        """Decode the first `size` bytes of `room` into `array`.

        Raises:
            ProtocolError: They do not encode a tensor of this type and shape.
        """


def make_coder(codec: Codec, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> TensorCoder | None:
    """The coder of `codec` for such tensors; None if the codec leaves them raw."""
    count = math.prod(shape)
    if codec.family == "none" or count == 0:
        return None
    if codec.family == "lz4":
        return _Lz4(count * dtype.itemsize)
    if codec.family == "zstd":
        return _Zstd(count * dtype.itemsize, codec.level)
    if dtype.kind != "f":
        return None
    if codec.family == "uint8":
        return _Affine(count, dtype)
    if codec.family == "uint8+zstd":
        return _AffineZstd(count, dtype, codec.level)
    # Narrow types gain nothing from fp16, and zfp does not accept them.
    if dtype.itemsize < 4:
        return None
    if codec.family == "fp16":
        return _Fp16(count)
    return _Zfp(shape, dtype, codec.tolerance)


def bytes_in(array: Array) -> Bytes:
    """The bytes of a C-contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8)


class _Fp16:
    def __init__(self, count: int) -> None:
        self.room_bytes = 2 * count

    def encode(self, array: Array, room: Bytes) -> int | None:
        # Written so that NaN does not pass.
        if not (array.min() >= -_FP16_MAX and array.max() <= _FP16_MAX):
            return None
        np.copyto(self._halves(room), array.reshape(-1), casting="same_kind")
        return self.room_bytes

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        _check_size(size, self.room_bytes)
        np.copyto(array.reshape(-1), self._halves(room))

    def _halves(self, room: Bytes) -> NDArray[np.float16]:
        return room[: self.room_bytes].view(np.float16)


class _Affine:
    """x = low + step * q with q of 0 to 255; `low` and `step` come before the numbers."""

    def __init__(self, count: int, dtype: "np.dtype[Any]") -> None:
        self.room_bytes = _AFFINE.size + count
        self._work_type = np.promote_types(dtype, np.float32).type
        self._work: Array = np.empty(count, self._work_type)
        # A quarter of the type's range: then neither the span nor rounding overflows.
        self._largest = float(np.finfo(self._work_type).max) / 4

    def encode(self, array: Array, room: Bytes) -> int | None:
        if not self.quantize(array, room, room[_AFFINE.size : self.room_bytes]):
            return None
        return self.room_bytes

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        _check_size(size, self.room_bytes)
        self.restore(room, room[_AFFINE.size : self.room_bytes], array)

    def quantize(self, array: Array, head: Bytes, quantized: Bytes) -> bool:
        """Write low and step into `head`, and the numbers; False if no step fits."""
        low, high = float(array.min()), float(array.max())
        # Written so that NaN does not pass.
        if not (low >= -self._largest and high <= self._largest):
            return False
        span = high - low
        per_step = _STEPS / span if span else 0.0
        if per_step > self._largest:
            return False
        work, of = self._work, self._work_type
        np.subtract(array.reshape(-1), of(low), out=work)
        np.multiply(work, of(per_step), out=work)
        # The cast truncates; half a step more makes it round.
        np.add(work, of(0.5), out=work)
        np.copyto(quantized, work, casting="unsafe")
        _AFFINE.pack_into(head.data, 0, low, span / _STEPS)
        return True

    def restore(self, head: Bytes, quantized: Bytes, array: Array) -> None:
        """The inverse of `quantize`."""
        low, step = _AFFINE.unpack_from(head.data)
        if not (abs(low) <= self._largest and 0 <= step <= 3 * self._largest / _STEPS):
            raise ProtocolError("sent a quantized tensor whose scale is not a number")
        flat, of = array.reshape(-1), self._work_type
        work = flat if flat.dtype == self._work.dtype else self._work
        np.multiply(quantized, of(step), out=work)
        np.add(work, of(low), out=work)
        if work is not flat:
            np.copyto(flat, work, casting="same_kind")


class _Lz4:
    def __init__(self, payload_bytes: int) -> None:
        self.room_bytes = payload_bytes + payload_bytes // 255 + 64
        self._payload_bytes = payload_bytes
        self._lz4 = _cramjam().lz4

    def encode(self, array: Array, room: Bytes) -> int | None:
        return int(self._lz4.compress_block_into(bytes_in(array), room, store_size=False))

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        target = bytes_in(array)
        try:
            decoded = self._lz4.decompress_block_into(room[:size], target, output_len=self._payload_bytes)
        except _cramjam().DecompressionError:
            decoded = -1
        _check_size(decoded, self._payload_bytes)


class _Zstd:
    def __init__(self, payload_bytes: int, level: int) -> None:
        self.room_bytes = payload_bytes + payload_bytes // 128 + 1024
        self._payload_bytes = payload_bytes
        self._level = level
        self._zstd = _cramjam().zstd

    def encode(self, array: Array, room: Bytes) -> int | None:
        return int(self._zstd.compress_into(bytes_in(array), room, level=self._level))

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        if not is_one_frame_of(room[:size], self._payload_bytes):
            raise ProtocolError("sent a tensor that cannot be decoded")
        try:
            decoded = self._zstd.decompress_into(room[:size], bytes_in(array))
        except _cramjam().DecompressionError:
            decoded = -1
        _check_size(decoded, self._payload_bytes)


class _AffineZstd:
    """`_Affine`, with its numbers compressed by zstd."""

    def __init__(self, count: int, dtype: "np.dtype[Any]", level: int) -> None:
        self._affine = _Affine(count, dtype)
        self._zstd = _Zstd(count, level)
        self._quantized = np.empty(count, np.uint8)
        self.room_bytes = _AFFINE.size + self._zstd.room_bytes

    def encode(self, array: Array, room: Bytes) -> int | None:
        if not self._affine.quantize(array, room, self._quantized):
            return None
        return _AFFINE.size + (self._zstd.encode(self._quantized, room[_AFFINE.size :]) or 0)

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        if size <= _AFFINE.size:
            raise ProtocolError("sent a tensor that cannot be decoded")
        self._zstd.decode(room[_AFFINE.size :], size - _AFFINE.size, self._quantized)
        self._affine.restore(room, self._quantized, array)


class _Zfp:
    """zfp in its fixed-accuracy mode (P. Lindstrom, "Fixed-rate compressed floating-point arrays", 2014).

    Tensors become matrices of their last axis: zfp exploits similarity along every axis, in blocks of 4 each
    way; channels are not similar, and zfp would pad a batch of 1 to 4.
    """

    def __init__(self, shape: tuple[int, ...], dtype: "np.dtype[Any]", tolerance: float) -> None:
        columns = shape[-1] if len(shape) > 1 else math.prod(shape)
        self._shape = (math.prod(shape) // columns, columns)
        self._tolerance = tolerance
        self._zfpy: Any = import_module("zfpy")
        self._type = self._zfpy.type_float if dtype.itemsize == 4 else self._zfpy.type_double
        # zfp knows no end: the bits say how far it reads. From garbage it reads at most 9 (12) bits a block
        # and, for each of 32 (64) planes, 16 bits and two more: less than this, so it never leaves the room.
        blocks = math.prod(-(-size // 4) for size in self._shape)
        self.room_bytes = blocks * 16 * dtype.itemsize * 2 + 1024

    def encode(self, array: Array, room: Bytes) -> int | None:
        if not (math.isfinite(array.min()) and math.isfinite(array.max())):
            return None
        encoded = self._zfpy.compress_numpy(
            array.reshape(self._shape), tolerance=self._tolerance, write_header=False
        )
        if len(encoded) >= array.nbytes:
            return None
        room[: len(encoded)] = np.frombuffer(encoded, np.uint8)
        return len(encoded)

    def decode(self, room: Bytes, size: int, array: Array) -> None:
        # Without a header, type and shape are ours, not the sender's.
        self._zfpy._decompress(
            room, self._type, self._shape, out=array.reshape(self._shape), tolerance=self._tolerance
        )


@cache
def _cramjam() -> Any:
    # On use: a device may lack it.
    return import_module("cramjam")


def _check_size(size: int, expected: int) -> None:
    if size != expected:
        raise ProtocolError("sent a tensor that cannot be decoded")
