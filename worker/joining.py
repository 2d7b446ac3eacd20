"""How a data connection begins: whoever opened it says what it is for, and the other end takes it or not."""

from typing import Final

import msgspec

from worker.wire.control import UNCLAIMED_LIMIT_BYTES, receive_message, send_message
from worker.wire.errors import PeerError
from worker.wire.messages import Done, JoinLink, JoinProbe, Problem
from worker.wire.stream import ConnectionKind, SocketStream, Stream, connect, exchange_preambles

__all__ = ["ask_to_join", "open_data_connection", "receive_join"]

_TIMEOUT_S: Final = 5.0

_join_decoder: "Final[msgspec.msgpack.Decoder[JoinLink | JoinProbe]]" = msgspec.msgpack.Decoder(
    JoinLink | JoinProbe
)
_joined_decoder: "Final[msgspec.msgpack.Decoder[Done | Problem]]" = msgspec.msgpack.Decoder(Done | Problem)


def open_data_connection(host: str, port: int) -> SocketStream:
    """Connect to a worker's data port, preambles exchanged.

    Raises:
        PeerError: it cannot be reached, or is no worker's data port.
    """
    stream = connect(host, port, timeout_s=_TIMEOUT_S)
    try:
        exchange_preambles(stream, ConnectionKind.DATA, timeout_s=_TIMEOUT_S)
    except BaseException:
        stream.close()
        raise
    return stream


def ask_to_join(stream: Stream, join: JoinLink | JoinProbe, what: str) -> None:
    """Say what the connection is for, and wait until it is taken. `what` says so in errors.

    Raises:
        PeerError: the other end does not take it.
    """
    stream.set_timeout(_TIMEOUT_S)
    send_message(stream, join)
    reply = receive_message(stream, _joined_decoder, limit_bytes=UNCLAIMED_LIMIT_BYTES)
    stream.set_timeout(None)
    if reply is None:
        raise PeerError(f"{stream.peer} closed the connection for {what}")
    if isinstance(reply, Problem):
        raise PeerError(f"{stream.peer} does not take {what}: {reply.text}")


def receive_join(stream: Stream) -> JoinLink | JoinProbe:
    """What a connection to our data port is for.

    Raises:
        PeerError: the other end did not say.
    """
    stream.set_timeout(_TIMEOUT_S)
    join = receive_message(stream, _join_decoder, limit_bytes=UNCLAIMED_LIMIT_BYTES)
    if join is None:
        raise PeerError("it named no link")
    stream.set_timeout(None)
    return join
