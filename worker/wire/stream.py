"""Streams of bytes between two ends, and the preamble that opens each stream.

The rest of the package knows a connection only as a `Stream`: `SocketStream` is TCP, `worker.wire.security`
has one over TLS.
"""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol, TypeVar

from worker.wire.errors import PeerError, ProtocolError, UsageError
from worker.wire.tcp_account import TcpAccount, read_tcp_account

__all__ = [
    "MAGIC",
    "PREAMBLE_BYTES",
    "SLOWEST_BYTES_PER_S",
    "STALL_S",
    "VERSION",
    "ConnectionKind",
    "SocketStream",
    "Stream",
    "connect",
    "listen",
    "make_preamble",
    "read_preamble",
    "receive_rest",
]

MAGIC = b"EDGECUT\0"
VERSION = 5
_PREAMBLE = struct.Struct("<8sHBB4s")
PREAMBLE_BYTES = _PREAMBLE.size

# Notice a peer that vanished without closing (plug pulled), or accepts nothing, after four seconds.
_KEEPALIVE = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 4_000}

# Disconnect a peer that stalls in the middle of a frame for this long, or is slower than the slowest link
# worth measuring. The kernel counts, so frames that arrive in time cost nothing more.
STALL_S = 15.0
SLOWEST_BYTES_PER_S = 100

# The kernel takes at most 1024 buffers in one call (IOV_MAX).
_BUFFERS_PER_CALL = 512


_SocketT = TypeVar("_SocketT", bound=socket.socket)


class ConnectionKind(IntEnum):
    """What a connection is for; a field of the preamble."""

    CONTROL = 1
    DATA = 2


class Stream(Protocol):
    """One connection. A call blocks until done, or until `set_timeout` has passed (PeerError).

    When receiving, the timeout covers the time until the last byte, so sending byte by byte gains nothing.
    """

    peer: str

    def send(self, buffers: Sequence[memoryview]) -> None:
        """Send all bytes of these buffers, in order, without joining them first.

        Raises:
            PeerError: the other end is gone.
        """

    def send_now(self, buffers: Sequence[memoryview]) -> Sequence[memoryview]:
        """Send as much as possible without waiting; returns the rest, for `send`.

        Raises:
            PeerError: the other end is gone.
        """

    def tcp_bytes(self, sent_bytes: int) -> int:
        """Bytes that TCP gets when `send` sends so many at once."""

    def tcp_account(self) -> TcpAccount | None:
        """The kernel's account of the connection so far; None where there is none."""

    def receive_into(self, buffer: memoryview, *, begun: bool = False) -> int:
        """Fill the buffer; returns its size, or less if the stream ended first.

        `begun`: these bytes continue something that has begun to arrive, so they must keep arriving even
        without a timeout.

        Raises:
            PeerError: the connection broke, the timeout passed, or the sender stopped in the middle.
        """

    def receive_some_into(self, buffers: Sequence[memoryview]) -> int:
        """Receive the bytes that have arrived into these buffers, in order; 0 once the stream has ended.

        Waits for the first byte only; `receive_into` receives the others.

        Raises:
            PeerError: the connection broke, or the timeout passed.
        """

    def set_timeout(self, seconds: float | None) -> None:
        """Set how long a call may block; None is for ever."""

    def shut(self) -> None:
        """End both directions; calls that block in other threads return."""

    def close(self) -> None:
        """Free the connection; no other thread may still use it."""


class SocketStream(Stream):
    """A connected socket as a `Stream`: TCP, or a Unix one to a process of our own.

    `identity` is the name in the other end's certificate, if any.
    """

    identity: str | None = None

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self.peer = peer
        self._socket: socket.socket = connection
        self._timeout_s: float | None = None
        connection.settimeout(None)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(STALL_S), int(STALL_S % 1 * 1e6))
        )
        if connection.family == socket.AF_UNIX:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            # Not every system has all of them.
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, buffers: Sequence[memoryview]) -> None:
        pending = buffers if len(buffers) <= _BUFFERS_PER_CALL else buffers[:_BUFFERS_PER_CALL]
        rest = buffers[len(pending) :]
        try:
            sent = self._socket.sendmsg(pending)
            while True:
                pending = _unsent(pending, sent)
                if not pending:
                    break
                sent = self._socket.sendmsg(pending)
        except OSError as error:
            raise self._lost(error, "accepts no more bytes") from error
        if rest:
            self.send(rest)

    def send_now(self, buffers: Sequence[memoryview]) -> Sequence[memoryview]:
        try:
            sent = self._socket.sendmsg(buffers[:_BUFFERS_PER_CALL], (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return buffers
        except OSError as error:
            raise self._lost(error, "accepts no more bytes") from error
        return _unsent(buffers, sent)

    def tcp_bytes(self, sent_bytes: int) -> int:
        return sent_bytes

    def tcp_account(self) -> TcpAccount | None:
        return read_tcp_account(self._socket)

    def receive_into(self, buffer: memoryview, *, begun: bool = False) -> int:
        try:
            if self._timeout_s is None:
                return self._receive_at_pace(buffer, begun)
            return self._receive_until(buffer, time.monotonic() + self._timeout_s)
        except OSError as error:
            raise self._lost(error, "sent nothing in time") from error

    def _receive_at_pace(self, buffer: memoryview, begun: bool) -> int:
        """Wait for ever for the first byte, unless `begun`; for the others while they keep arriving."""
        size = len(buffer)
        received = 0
        while received < size:
            began_s = time.monotonic()
            try:
                count = self._socket.recv_into(buffer[received:], 0, socket.MSG_WAITALL)
            except BlockingIOError:
                if not (begun or received):
                    continue
                count = -1
            if count == 0:
                break
            received += max(count, 0)
            # A signal may end the call early, too.
            waited_s = time.monotonic() - began_s
            if received < size and waited_s >= STALL_S and count < SLOWEST_BYTES_PER_S * waited_s:
                raise PeerError(f"{self.peer} stalled, or is too slow")
        return received

    def _receive_until(self, buffer: memoryview, deadline_s: float) -> int:
        size = len(buffer)
        received = 0
        try:
            while received < size:
                count = self._socket.recv_into(buffer[received:])
                if count == 0:
                    break
                received += count
                left_s = deadline_s - time.monotonic()
                if received < size:
                    if left_s <= 0:
                        raise TimeoutError
                    self._socket.settimeout(left_s)
        finally:
            self.set_timeout(self._timeout_s)
        return received

    def receive_some_into(self, buffers: Sequence[memoryview]) -> int:
        try:
            while True:
                try:
                    return self._socket.recvmsg_into(buffers[:_BUFFERS_PER_CALL])[0]
                except BlockingIOError:
                    # Nothing has begun to arrive, and that may take any time.
                    continue
        except OSError as error:
            raise self._lost(error, "sent nothing in time") from error

    def receive_some(self, buffer: memoryview) -> int:
        """Receive the bytes that have arrived, waiting for the first; 0 once the stream has ended.

        Raises:
            PeerError: the connection broke, or the timeout passed.
        """
        try:
            return self._socket.recv_into(buffer)
        except OSError as error:
            raise self._lost(error, "sent nothing in time") from error

    def _lost(self, error: OSError, late: str) -> PeerError:
        # The kernel's own timeout, a TimeoutError too, means a lost peer.
        if isinstance(error, TimeoutError) and error.errno is None:
            return PeerError(f"{self.peer} {late}")
        return PeerError(f"connection to {self.peer} was lost ({error.strerror or error})")

    def set_timeout(self, seconds: float | None) -> None:
        self._timeout_s = seconds
        with contextlib.suppress(OSError):
            self._socket.settimeout(seconds)

    def has_ended(self) -> bool:
        """Whether the other end has closed or broken the connection; neither blocks nor takes bytes."""
        try:
            return socket.socket.recv(self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def layer(self, wrap: Callable[[socket.socket], _SocketT]) -> _SocketT:
        """Put a layer such as TLS around the connection; ending this stream ends the layer, too."""
        self._socket = layered = wrap(self._socket)
        return layered

    def shut(self) -> None:
        # The connection itself: a TLS socket would continue in plain text.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        self._socket.close()

    def drop(self) -> None:
        """Free the connection at once, and discard what has not left this host."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


def _unsent(buffers: Sequence[memoryview], sent: int) -> Sequence[memoryview]:
    """What is left of the buffers after their first `sent` bytes."""
    for index, buffer in enumerate(buffers):
        if sent < buffer.nbytes:
            return [buffer[sent:], *buffers[index + 1 :]]
        sent -= buffer.nbytes
    return ()


def receive_rest(stream: Stream, buffer: memoryview, received: int = 0) -> int:
    """Receive the rest of a part of a frame whose first `received` bytes are there; returns the new count.

    Raises:
        PeerError: the stream ended before that, or broke.
    """
    lacks = len(buffer) - received
    if lacks <= 0:
        return received
    if stream.receive_into(buffer[received:], begun=True) < lacks:
        raise PeerError("closed in the middle of a frame")
    return len(buffer)


def connect(host: str, port: int, *, timeout_s: float) -> SocketStream:
    """Connect to a listening port.

    Raises:
        PeerError: no answer, or not within `timeout_s`.
    """
    peer = f"{host}:{port}"
    try:
        return SocketStream(socket.create_connection((host, port), timeout=timeout_s), peer)
    except TimeoutError as error:
        raise PeerError(f"{peer} does not answer within {timeout_s:g} s: is the host up?") from error
    except socket.gaierror as error:
        raise PeerError(
            f"cannot resolve {host} ({_reason(error)}): put it into /etc/hosts on this device, or give its "
            f"address as `host` in the inventory"
        ) from error
    except (OSError, OverflowError, UnicodeError) as error:
        raise PeerError(f"cannot reach {peer} ({_reason(error)}): is a worker running there?") from error


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Listen on a port (0: any free one). `option` is the setting named in the error.

    Raises:
        UsageError: the port is taken, or the address is not this host's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=64)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(
            f"cannot listen on port {port} of {host} ({_reason(error)}): stop what uses it, "
            f"or give {option} another value"
        ) from error


def make_preamble(kind: ConnectionKind, method: int = 0) -> bytes:
    """The 16 bytes that open every connection; `method` is how its ends authenticate."""
    return _PREAMBLE.pack(MAGIC, VERSION, kind, method, bytes(4))


def read_preamble(stream: Stream, kind: ConnectionKind, theirs: bytearray) -> int:
    """Receive the other end's preamble into `theirs` and check it; returns its method of authentication.

    Raises:
        ProtocolError: not edgecut, another version, or a connection for something else.
        PeerError: lost, or silent until the timeout.
    """
    if stream.receive_into(memoryview(theirs)) < PREAMBLE_BYTES:
        # Probably a worker that is stopping; one with another version says so.
        raise PeerError(f"{stream.peer} closed the connection before its preamble")
    magic, version, their_kind, method, reserved = _PREAMBLE.unpack(theirs)
    if magic != MAGIC:
        raise ProtocolError(f"{stream.peer} does not speak edgecut's protocol")
    if version != VERSION:
        raise ProtocolError(
            f"{stream.peer} speaks protocol {version}, this end {VERSION}: use one edgecut version on both"
        )
    if their_kind != kind:
        raise ProtocolError(f"{stream.peer} is for {_kind_name(their_kind)}, not for {_kind_name(kind)}")
    if reserved != bytes(4):
        raise ProtocolError(f"{stream.peer} uses reserved bytes of the preamble")
    return int(method)


def _reason(error: Exception) -> str:
    """The system's own text, without Python's additions."""
    number = getattr(error, "errno", None)
    return (
        os.strerror(number) if number is not None and number > 0 else str(getattr(error, "strerror", error))
    )


def _kind_name(kind: int) -> str:
    return {1: "control", 2: "data"}.get(kind, f"kind {kind}")
