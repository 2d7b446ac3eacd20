"""The opening of every connection: a preamble each way, then proof that the other end is of the lab."""

import contextlib
import socket
from typing import Final

from worker.clock import clock
from worker.wire.errors import DeniedError, PeerError, ProtocolError
from worker.wire.security import OPEN, Method, Role, Security
from worker.wire.stream import (
    PREAMBLE_BYTES,
    ConnectionKind,
    SocketStream,
    connect,
    make_preamble,
    read_preamble,
)

__all__ = ["open_connection", "refuse", "shake_hands"]

# In place of a method: try again later.
_REFUSED: Final = 255


def open_connection(
    host: str,
    port: int,
    kind: ConnectionKind,
    security: Security = OPEN,
    *,
    timeout_s: float,
    handshake_s: float | None = None,
    expected: str | None = None,
) -> SocketStream:
    """Connect to a listening port of the lab.

    Args:
        timeout_s: The longest time to connect, and to authenticate unless `handshake_s` is given.
        handshake_s: The longest time to authenticate.
        expected: The device that must answer, where certificates can tell; None: any of the lab.

    Raises:
        PeerError: No answer, or not in time.
        ProtocolError: Not edgecut, another version, or a port for something else.
        DeniedError: The other end does not belong to the lab, or does not accept us.
    """
    stream = connect(host, port, timeout_s=timeout_s)
    try:
        return shake_hands(
            stream, kind, Role.OPENER, security, timeout_s=handshake_s or timeout_s, expected=expected
        )
    except BaseException:
        stream.close()
        raise


def shake_hands(
    stream: SocketStream,
    kind: ConnectionKind,
    role: Role,
    security: Security = OPEN,
    *,
    timeout_s: float,
    expected: str | None = None,
) -> SocketStream:
    """Open a connection within `timeout_s`; returns the secured stream.

    Raises:
        PeerError, ProtocolError, DeniedError: See `open_connection`; the caller closes the stream.
    """
    deadline_s = clock() + timeout_s
    attempt = security.attempt(role, expected)
    ours = make_preamble(kind, security.method)
    stream.set_timeout(timeout_s)
    stream.send([memoryview(ours), memoryview(attempt.hello)])
    theirs = bytearray(PREAMBLE_BYTES)
    method = read_preamble(stream, kind, theirs)
    _compare(stream.peer, method, security.method)
    preambles = (ours, bytes(theirs)) if role is Role.OPENER else (bytes(theirs), ours)
    secured = attempt.finish(stream, kind, b"".join(preambles), deadline_s)
    secured.set_timeout(None)
    return secured


def refuse(connection: socket.socket, kind: ConnectionKind) -> None:
    """Refuse a connection for now and close it, without waiting."""
    with contextlib.suppress(OSError), connection:
        connection.setblocking(False)
        connection.send(make_preamble(kind, _REFUSED))


def _compare(peer: str, theirs: int, ours: Method) -> None:
    if theirs == ours:
        return
    if theirs == _REFUSED:
        raise PeerError(f"{peer} refuses this address for some seconds after too many failed attempts")
    try:
        their_method = Method(theirs)
    except ValueError:
        raise ProtocolError(f"{peer} requires unknown authentication {theirs}") from None
    raise DeniedError(
        f"{peer} uses {their_method.words}, but this end uses {ours.words}: "
        f"run `edgecut deploy`, and use the lab file that it writes"
    )
