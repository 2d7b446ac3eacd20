"""The join of a data connection: its opener says what it is for, and the other end accepts or refuses."""

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from worker.wire.control import UNCLAIMED_LIMIT_BYTES, receive_message, send_message
from worker.wire.errors import DeniedError, PeerError, RefusedError
from worker.wire.messages import Done, JoinLink, JoinProbe, Problem
from worker.wire.opening import open_connection
from worker.wire.security import OPEN, Security
from worker.wire.stream import ConnectionKind, SocketStream, Stream

__all__ = ["answering_join", "ask_to_join", "open_data_connection", "receive_join"]

_TIMEOUT_S: Final = 5.0
# Two or three round trips over a link with a second's delay.
_HANDSHAKE_S: Final = 10.0

_join_decoder: "Final[msgspec.msgpack.Decoder[JoinLink | JoinProbe]]" = msgspec.msgpack.Decoder(
    JoinLink | JoinProbe
)
_joined_decoder: "Final[msgspec.msgpack.Decoder[Done | Problem]]" = msgspec.msgpack.Decoder(Done | Problem)


def open_data_connection(
    host: str, port: int, security: Security = OPEN, *, expected: str | None = None
) -> SocketStream:
    """Connect to the data port of the device `expected`, if given.

    Raises:
        PeerError: it cannot be reached, is not a worker's data port, or does not belong to the lab.
    """
    return open_connection(
        host,
        port,
        ConnectionKind.DATA,
        security,
        timeout_s=_TIMEOUT_S,
        handshake_s=_HANDSHAKE_S,
        expected=expected,
    )


def ask_to_join(stream: Stream, join: JoinLink | JoinProbe, what: str) -> None:
    """Say what the connection is for, and wait for the answer. `what` names it in errors.

    Raises:
        PeerError: the other end refuses.
    """
    stream.set_timeout(_TIMEOUT_S)
    send_message(stream, join)
    reply = receive_message(stream, _joined_decoder, limit_bytes=UNCLAIMED_LIMIT_BYTES)
    stream.set_timeout(None)
    if reply is None:
        raise PeerError(f"{stream.peer} closed the connection for {what}")
    if isinstance(reply, Problem):
        raise PeerError(f"{stream.peer} refuses {what}: {reply.text}")


@contextlib.contextmanager
def answering_join(stream: Stream) -> Iterator[None]:
    """Answer a join after the block: with `Done`, or with the RefusedError that it raises."""
    try:
        yield
    except RefusedError as error:
        send_message(stream, error.problem())
        raise
    send_message(stream, Done())


def receive_join(stream: SocketStream) -> JoinLink | JoinProbe:
    """Receive what a connection to our data port is for.

    Raises:
        PeerError: the other end does not say, or lies about its name.
    """
    stream.set_timeout(_TIMEOUT_S)
    join = receive_message(stream, _join_decoder, limit_bytes=UNCLAIMED_LIMIT_BYTES)
    if join is None:
        raise PeerError("the other end named no link")
    stream.set_timeout(None)
    if stream.identity is not None and join.sender != stream.identity:
        raise DeniedError(
            f"the other end claims to be {join.sender!r}, but its certificate names {stream.identity!r}"
        )
    return join
