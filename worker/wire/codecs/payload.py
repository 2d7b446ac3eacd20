"""The payload of a frame on a link with a codec: the length of each tensor, then the tensors.

    bytes u64, for each tensor | the tensors, one after the other

A tensor of the agreed length is raw; a shorter one is encoded. No third case exists: a tensor that encoding
would not shorten goes raw. So the agreed length bounds every length, and its memory exists before a frame
arrives.
"""

import struct
from collections.abc import Sequence

import numpy as np

from worker.wire.codecs.coders import Array, Bytes, bytes_in, make_coder
from worker.wire.codecs.names import Codec, available_codecs, lack_of
from worker.wire.errors import ProtocolError, RefusedError
from worker.wire.stream import Stream, receive_rest

__all__ = ["Decoder", "EncodedPayload", "Encoder", "TensorForm", "receive_encoded"]

TensorForm = tuple[tuple[int, ...], "np.dtype[np.generic]"]
"""Shape and type of a tensor."""


class EncodedPayload:
    """Memory for one encoded payload; `buffers` follow the frame's header and descriptor.

    Attributes:
        encoded_bytes: Size of the tensors as sent.
        sent_raw: Tensors that the codec could not shorten.
    """

    def __init__(self, rooms: list[Bytes | None]) -> None:
        self.rooms = rooms
        self.lengths = bytearray(8 * len(rooms))
        self.buffers = [memoryview(self.lengths), *[memoryview(b"")] * len(rooms)]
        self.encoded_bytes = 0
        self.sent_raw = 0


class _Coders:
    def __init__(self, tensors: Sequence[TensorForm], codec: Codec) -> None:
        lack = lack_of(codec, available_codecs())
        if lack:
            raise RefusedError(f"this device {lack}")
        self._coders = [make_coder(codec, shape, dtype) for shape, dtype in tensors]
        self._lengths = struct.Struct(f"<{len(tensors)}Q")

    def _new_rooms(self) -> list[Bytes | None]:
        return [None if coder is None else np.zeros(coder.room_bytes, np.uint8) for coder in self._coders]


class Encoder(_Coders):
    """The sending side. One thread at a time."""

    def new_payload(self) -> EncodedPayload:
        """Memory for one payload."""
        return EncodedPayload(self._new_rooms())

    def encode(self, arrays: Sequence[Array], payload: EncodedPayload) -> None:
        """Fill `payload` with these tensors, which must not change until it is sent."""
        lengths = []
        payload.sent_raw = 0
        for index, (array, coder, room) in enumerate(zip(arrays, self._coders, payload.rooms, strict=True)):
            size = None
            if coder is not None and room is not None:
                size = coder.encode(array, room)
                if size is not None and size < array.nbytes:
                    payload.buffers[index + 1] = room[:size].data
                else:
                    payload.sent_raw += 1
                    size = None
            if size is None:
                payload.buffers[index + 1] = bytes_in(array).data
                size = array.nbytes
            lengths.append(size)
        self._lengths.pack_into(payload.lengths, 0, *lengths)
        payload.encoded_bytes = sum(lengths)


class Decoder(_Coders):
    """The receiving side. One thread at a time."""

    def __init__(self, tensors: Sequence[TensorForm], codec: Codec) -> None:
        super().__init__(tensors, codec)
        self._rooms = self._new_rooms()
        self._head = bytearray(8 * len(tensors))
        self._sizes: tuple[int, ...] = ()

    def receive(self, stream: Stream, arrays: Sequence[Array]) -> None:
        """Receive a payload: raw tensors into `arrays`, encoded ones for `decode`.

        Raises:
            ProtocolError: A tensor is longer than agreed, or encoded although the codec leaves it raw.
            PeerError: The connection ended.
        """
        receive_rest(stream, memoryview(self._head))
        self._sizes = self._lengths.unpack(self._head)
        for array, coder, size in zip(arrays, self._coders, self._sizes, strict=True):
            if size > array.nbytes or (size < array.nbytes and (coder is None or size == 0)):
                raise _too_long(size, array)
        for array, room, size in zip(arrays, self._rooms, self._sizes, strict=True):
            if size == array.nbytes or room is None:
                receive_rest(stream, bytes_in(array).data)
            elif size > len(room):
                raise ProtocolError("sent a tensor that cannot be decoded")
            else:
                receive_rest(stream, room[:size].data)

    def take(self, payload: EncodedPayload, arrays: Sequence[Array]) -> None:
        """Decode a payload of an encoder in this process, without a network."""
        parts = zip(arrays, self._coders, payload.rooms, payload.buffers[1:], strict=True)
        for array, coder, room, buffer in parts:
            if len(buffer) == array.nbytes or coder is None or room is None:
                bytes_in(array).data[:] = buffer
            else:
                coder.decode(room, len(buffer), array)

    def decode(self, arrays: Sequence[Array]) -> None:
        """Decode the received payload into these tensors.

        Raises:
            ProtocolError: It cannot be decoded.
        """
        for array, coder, room, size in zip(arrays, self._coders, self._rooms, self._sizes, strict=True):
            if size != array.nbytes and coder is not None and room is not None:
                coder.decode(room, size, array)


def receive_encoded(stream: Stream, arrays: Sequence[Array]) -> list[memoryview]:
    """Receive a payload into the memory of these tensors without decoding; returns the buffers to forward.

    Raises:
        ProtocolError: A tensor is longer than agreed.
        PeerError: The connection ended.
    """
    head = bytearray(8 * len(arrays))
    receive_rest(stream, memoryview(head))
    sizes = struct.unpack(f"<{len(arrays)}Q", head)
    for array, size in zip(arrays, sizes, strict=True):
        if not 0 < size <= array.nbytes:
            raise _too_long(size, array)
    buffers = [bytes_in(array)[:size].data for array, size in zip(arrays, sizes, strict=True)]
    for buffer in buffers:
        receive_rest(stream, buffer)
    return [memoryview(head), *buffers]


def _too_long(size: int, array: Array) -> ProtocolError:
    return ProtocolError(f"sent a tensor of {size} bytes where the link allows {array.nbytes}")
