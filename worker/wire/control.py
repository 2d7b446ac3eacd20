"""Messages on a stream, and the controller's side of a control connection."""

import struct
import time
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, Final, Self, TypeVar, cast

import msgspec

from worker.wire.errors import (
    DeniedError,
    PeerError,
    ProtocolError,
    ReplyError,
    RequestError,
    in_short,
)
from worker.wire.messages import REQUESTS, Claim, Message, Problem, Query, Request, TakeRecords
from worker.wire.opening import open_connection
from worker.wire.security import OPEN, Security
from worker.wire.stream import ConnectionKind, Stream

__all__ = [
    "CLAIMED_LIMIT_BYTES",
    "UNCLAIMED_LIMIT_BYTES",
    "ControlConnection",
    "checked_reply",
    "receive_message",
    "receive_reply",
    "reply_decoder",
    "request_decoder",
    "send_message",
]

# A longer message is an error before it takes memory.
UNCLAIMED_LIMIT_BYTES = 64 * 1024
CLAIMED_LIMIT_BYTES = 64 * 1024 * 1024

# Records of a long run are the longest reply: 80 bytes a request and hop.
_RECORDS_LIMIT_BYTES = 1024 * 1024 * 1024

# Memory grows as the bytes of a message arrive: its length alone takes no more than this.
_FIRST_BYTES = 1024 * 1024

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_LENGTH = struct.Struct("<I")
_T = TypeVar("_T")
_ReplyT = TypeVar("_ReplyT", bound=Message)


def _decoder_of(kinds: Iterable[type[Message]]) -> "msgspec.msgpack.Decoder[Any]":
    return msgspec.msgpack.Decoder(reduce(or_, kinds))


request_decoder: "Final[msgspec.msgpack.Decoder[Request[Message]]]" = _decoder_of(REQUESTS)
reply_decoder: "Final[msgspec.msgpack.Decoder[Message]]" = _decoder_of(
    dict.fromkeys([*(request.reply for request in REQUESTS), Problem])
)


def send_message(stream: Stream, message: msgspec.Struct) -> None:
    """Send one message: its length (u32, little-endian), then MessagePack."""
    body = msgspec.msgpack.encode(message)
    stream.send([memoryview(_LENGTH.pack(len(body))), memoryview(body)])


def receive_message(
    stream: Stream,
    decoder: "msgspec.msgpack.Decoder[_T]",
    *,
    limit_bytes: int,
    within_s: float | None = None,
) -> _T | None:
    """Receive one message; None when the other end closed the connection instead.

    The stream's timeout is for the beginning of a message; `within_s` is for everything after its length.

    Raises:
        ProtocolError: longer than `limit_bytes`, or unknown to `decoder`.
        PeerError: the connection broke in the middle of the message, or it did not arrive in time.
    """
    body = _receive_bytes(stream, limit_bytes, within_s)
    try:
        return None if body is None else decoder.decode(body)
    except _UNREADABLE as error:
        raise ProtocolError(
            f"{stream.peer} sent a message that cannot be read: {in_short(str(error))}"
        ) from error


def receive_reply(
    stream: Stream, request: Request[_ReplyT], peer: str, *, limit_bytes: int
) -> _ReplyT | None:
    """Receive the reply to a request; None when the other end closed the connection instead.

    Raises:
        ProtocolError, PeerError: see `receive_message`.
        RequestError, ReplyError: see `checked_reply`.
    """
    body = _receive_bytes(stream, limit_bytes, None)
    return None if body is None else checked_reply(request, body, peer)


def _receive_bytes(stream: Stream, limit_bytes: int, within_s: float | None) -> bytearray | None:
    prefix = bytearray(_LENGTH.size)
    received = stream.receive_into(memoryview(prefix))
    if received == 0:
        return None
    if received < len(prefix):
        raise PeerError(f"{stream.peer} closed the connection in the middle of a message")
    (size,) = _LENGTH.unpack(prefix)
    if size > limit_bytes:
        raise ProtocolError(
            f"{stream.peer} sent a message of {size} bytes; at most {limit_bytes} are accepted"
        )
    return _receive_body(stream, size, within_s)


def _receive_body(stream: Stream, size: int, within_s: float | None) -> bytearray:
    deadline_s = None if within_s is None else time.monotonic() + within_s
    body = bytearray(min(size, _FIRST_BYTES))
    start = 0
    while True:
        if deadline_s is not None:
            stream.set_timeout(max(deadline_s - time.monotonic(), 0.001))
        with memoryview(body)[start:] as room:
            missing = len(room)
            if stream.receive_into(room, begun=True) < missing:
                raise PeerError(f"{stream.peer} closed the connection in the middle of a message")
        start = len(body)
        if start == size:
            return body
        body.extend(bytes(min(size - start, start)))


def checked_reply(request: Request[_ReplyT], body: bytes | bytearray, peer: str) -> _ReplyT:
    """Decode a reply, and check it by type, by the bounds of its fields, and beside its request.

    Raises:
        RequestError: it is a `Problem`.
        ReplyError: it cannot be read, is of another type than the request declares, or cannot be true.
    """
    invalid = f"{peer} sent an invalid reply to {type(request).__name__}"
    try:
        reply = reply_decoder.decode(body)
    except _UNREADABLE as error:
        # Errors may quote the reply.
        raise ReplyError(f"{invalid}: {in_short(str(error))}") from error
    if isinstance(reply, Problem):
        raise RequestError(reply, peer)
    if not isinstance(reply, request.reply):
        raise ReplyError(f"{invalid}: a {type(reply).__name__}")
    if fault := request.fault_of(reply):
        raise ReplyError(f"{invalid}: {in_short(fault)}")
    return cast("_ReplyT", reply)


class ControlConnection:
    """A controller's connection to one worker.

    For one thread at a time: each request waits for its reply.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        security: Security = OPEN,
        *,
        timeout_s: float = 5.0,
        expected: str | None = None,
    ) -> Self:
        """Connect to a worker's control port; `expected` is the device that must answer.

        Raises:
            PeerError: no answer within `timeout_s`.
            ProtocolError: not a worker, or one with another protocol version.
            DeniedError: it does not belong to our lab, or does not accept us.
        """
        try:
            return cls(
                open_connection(
                    host, port, ConnectionKind.CONTROL, security, timeout_s=timeout_s, expected=expected
                )
            )
        except (ProtocolError, DeniedError) as error:
            raise type(error)(f"worker at {error}") from error

    @property
    def peer(self) -> str:
        """The worker's `host:port`."""
        return self._stream.peer

    def ask(self, request: Request[_ReplyT], *, timeout_s: float | None = None) -> _ReplyT:
        """Send a request and wait for its reply (None: for ever, while the connection lives).

        Raises:
            RequestError: the worker answered with a `Problem`; the connection remains usable.
            PeerError: the worker was lost, or silent for `timeout_s`; the connection is no longer usable.
            ProtocolError: the reply is too long; the connection is no longer usable.
            ReplyError: the reply does not answer this request, or cannot be true.
        """
        self._stream.set_timeout(timeout_s)
        send_message(self._stream, request)
        reply = receive_reply(self._stream, request, self.peer, limit_bytes=_reply_limit_bytes(request))
        if reply is None:
            raise PeerError(f"worker at {self.peer} closed the connection: has it stopped?")
        return reply

    def interrupt(self) -> None:
        """End the connection from another thread: an `ask` in progress raises PeerError."""
        self._stream.shut()

    def close(self) -> None:
        """Close the connection, and with it a claim on the worker."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _reply_limit_bytes(request: Request[Message]) -> int:
    if isinstance(request, TakeRecords):
        return _RECORDS_LIMIT_BYTES
    # Either reply only describes the device.
    return UNCLAIMED_LIMIT_BYTES if isinstance(request, Query | Claim) else CLAIMED_LIMIT_BYTES
