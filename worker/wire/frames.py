"""Frames on a data connection: a fixed header, a descriptor of the tensors, the raw payload.

    request u64 | type u8 | codec u8 | tensors u16 | descriptor bytes u32 | payload bytes u64
    descriptor, for each tensor:  dtype u8 | dimensions u8 | size u32 each
    payload: the tensors one after the other, row by row, little-endian
             (on a link with a codec: as `worker.wire.codecs.payload` says)

Both ends agree on a link's tensors before it opens, so header and descriptor of its tensor frames are the
same bytes except for `request`, and a receiver compares them before it uses the payload.
`payload bytes` counts the tensors before the codec.
An ABORT frame carries a line of text; END carries nothing. Both may go either way, and are the last frame.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from worker.wire.codecs import NO_CODEC, Codec, TensorForm
from worker.wire.errors import PeerError, ProtocolError, RefusedError, WorkerError
from worker.wire.messages import TensorSpec
from worker.wire.stream import Stream, receive_rest

__all__ = ["DTYPES", "HEADER_BYTES", "FrameType", "LinkLayout", "encode_notice", "fill_all", "read_notice"]

_HEADER: Final = struct.Struct("<QBBHIQ")
HEADER_BYTES: Final = _HEADER.size
_REQUEST: Final = struct.Struct("<Q")
_TYPE_AT: Final = _REQUEST.size
_NOTICE_LIMIT_BYTES: Final = 1024
_MAX_TENSORS: Final = 65_535
_MAX_DIMENSIONS: Final = 16
_LONGEST_PAYLOAD_BYTES: Final = 2**40

DTYPES: Final[dict[str, int]] = {
    "float32": 1,
    "float64": 2,
    "float16": 3,
    "int8": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "uint8": 8,
    "uint16": 9,
    "uint32": 10,
    "uint64": 11,
    "bool": 12,
}
"""Element types that may cross a link, by numpy's names, and their codes."""


class FrameType(IntEnum):
    """Second field of the header."""

    TENSORS = 1
    END = 2  # orderly close
    ABORT = 3  # the sender gives up; the payload says why


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """One tensor of a link."""

    name: str
    dtype: "np.dtype[np.generic]"
    shape: tuple[int, ...]
    payload_bytes: int


class LinkLayout:
    """The agreed contents of a link: its tensors, and the bytes that announce them."""

    def __init__(self, tensors: Sequence[TensorSpec], codec: Codec = NO_CODEC) -> None:
        """Raises RefusedError: no tensors, an unknown element type, a size below 1, too many bytes."""
        if not 0 < len(tensors) <= _MAX_TENSORS:
            raise RefusedError(f"a link carries 1 to {_MAX_TENSORS} tensors, not {len(tensors)}")
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise RefusedError("a link carries two tensors with the same name")
        self.tensors: tuple[TensorLayout, ...] = tuple(_layout_of(tensor) for tensor in tensors)
        self.codec = codec
        self.payload_bytes = sum(tensor.payload_bytes for tensor in self.tensors)
        if self.payload_bytes > _LONGEST_PAYLOAD_BYTES:
            raise RefusedError(
                f"a link carries at most {_LONGEST_PAYLOAD_BYTES} bytes, not {self.payload_bytes}"
            )
        descriptor = b"".join(_describe(tensor) for tensor in self.tensors)
        self._prefix = (
            _HEADER.pack(
                0, FrameType.TENSORS, codec.code, len(self.tensors), len(descriptor), self.payload_bytes
            )
            + descriptor
        )
        self._agreed = self._prefix[_REQUEST.size :]
        self.prefix_bytes = len(self._prefix)
        self.frame_bytes = self.prefix_bytes + self.payload_bytes

    @property
    def forms(self) -> list[TensorForm]:
        """Shape and type of each tensor."""
        return [(tensor.shape, tensor.dtype) for tensor in self.tensors]

    def new_prefix(self) -> bytearray:
        """A buffer with a frame's header and descriptor, complete except for the request."""
        return bytearray(self._prefix)

    @staticmethod
    def address(prefix: bytearray, request: int) -> None:
        """Write the request into a prefix."""
        _REQUEST.pack_into(prefix, 0, request)

    def read_rest(self, stream: Stream, buffers: Sequence[memoryview], received: int) -> int | None:
        """Receive the rest of the next frame, or of its prefix; returns its request, or None at END.

        Args:
            stream: The stream to receive from.
            buffers: Memory for the prefix alone, or for the prefix and each tensor.
            received: How many bytes the buffers hold already; 0 only if the stream has ended.

        Raises:
            ProtocolError: it does not announce the agreed tensors.
            PeerError: the connection ended without END, or its other end gave up (ABORT).
        """
        prefix = buffers[0]
        if received == 0:
            raise PeerError("closed without an END frame")
        received = receive_rest(stream, prefix[:HEADER_BYTES], received)
        if prefix[_TYPE_AT] != FrameType.TENSORS:
            _check_notice(stream, prefix, b"".join(buffers)[HEADER_BYTES:received])
            return None
        request: int = _REQUEST.unpack_from(prefix)[0]
        if received < self.prefix_bytes or bytes(prefix[_REQUEST.size :]) != self._agreed:
            received = self._check_agreed(stream, prefix, received)
        if received < self.frame_bytes:
            fill_all(stream, buffers[1:], received - len(prefix))
        return request

    def _check_agreed(self, stream: Stream, prefix: memoryview, received: int) -> int:
        """Receive the rest of the prefix if its header is right; returns the bytes received so far."""
        header_rest = HEADER_BYTES - _REQUEST.size
        if prefix[_REQUEST.size : HEADER_BYTES] != self._agreed[:header_rest]:
            raise ProtocolError("sent a frame whose tensors differ from the agreed ones")
        received = receive_rest(stream, prefix, received)
        if prefix[HEADER_BYTES:] != self._agreed[header_rest:]:
            raise ProtocolError("sent tensors whose types or shapes differ from the agreed ones")
        return received


def fill_all(stream: Stream, buffers: Sequence[memoryview], received: int = 0) -> None:
    """Receive the rest of all buffers, whose first `received` bytes are there.

    Raises:
        PeerError: the stream ended before that, or broke.
    """
    for buffer in buffers:
        received = receive_rest(stream, buffer, received) - len(buffer)


def _layout_of(tensor: TensorSpec) -> TensorLayout:
    if tensor.dtype not in DTYPES:
        raise RefusedError(f"tensor {tensor.name} is {tensor.dtype}; links carry {', '.join(DTYPES)}")
    if len(tensor.shape) > _MAX_DIMENSIONS or not all(1 <= size < 2**32 for size in tensor.shape):
        raise RefusedError(f"tensor {tensor.name} has shape {list(tensor.shape)}; sizes must be 1 or more")
    dtype = np.dtype(tensor.dtype)
    return TensorLayout(tensor.name, dtype, tensor.shape, math.prod(tensor.shape) * dtype.itemsize)


def _describe(tensor: TensorLayout) -> bytes:
    dimensions = len(tensor.shape)
    return struct.pack(f"<BB{dimensions}I", DTYPES[tensor.dtype.name], dimensions, *tensor.shape)


def encode_notice(cause: WorkerError | None = None) -> bytes:
    """An ABORT frame that says why, or END without a cause."""
    kind = FrameType.END if cause is None else FrameType.ABORT
    body = str(cause or "").encode()[:_NOTICE_LIMIT_BYTES]
    return _HEADER.pack(0, kind, NO_CODEC.code, 0, 0, len(body)) + body


def read_notice(stream: Stream) -> None:
    """Wait for the END of a connection on which nothing else may arrive.

    Raises:
        ProtocolError: something else arrived.
        PeerError: the connection ended without END, or its other end gave up (ABORT).
    """
    header = bytearray(HEADER_BYTES)
    if stream.receive_into(memoryview(header)) < HEADER_BYTES:
        raise PeerError("closed without an END frame")
    _check_notice(stream, header)


def _check_notice(stream: Stream, header: bytearray | memoryview, begun: bytes = b"") -> None:
    """Accept END; raise the text of an ABORT, or a ProtocolError. `begun`: the text received so far."""
    _, kind, codec, tensors, descriptor_bytes, size = _HEADER.unpack_from(header)
    if codec or tensors or descriptor_bytes or size > _NOTICE_LIMIT_BYTES:
        raise ProtocolError("sent a frame that cannot be read")
    if kind == FrameType.END and size == 0:
        return
    if kind != FrameType.ABORT:
        raise ProtocolError(f"sent a frame of unknown type {kind}")
    rest = bytearray(max(size - len(begun), 0))
    stream.receive_into(memoryview(rest), begun=True)
    text = (begun + rest)[:size]
    raise PeerError(f"gave up: {text.decode(errors='replace')}")
