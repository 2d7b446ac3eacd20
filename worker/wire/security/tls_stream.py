"""A stream over TLS.

OpenSSL does not let two threads use one connection at once, and ours do: one receives while another sends or
watches. So the socket never blocks; each call into OpenSSL is short and under a lock, and threads wait for
the socket outside the lock.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Self

from worker.wire.errors import PeerError
from worker.wire.stream import SLOWEST_BYTES_PER_S, STALL_S, SocketStream

__all__ = ["TlsStream"]

# The most that OpenSSL sends in one record.
_RECORD_BYTES: Final = 16_384
# Of each record under TLS 1.3: header 5, type 1, tag 16 (RFC 8446, section 5.2).
_RECORD_OVERHEAD_BYTES: Final = 22


class TlsStream(SocketStream):
    """A stream over TLS, which has no scatter send: it sends buffers one by one."""

    def __init__(self, stream: SocketStream, wrapped: ssl.SSLSocket) -> None:
        self.peer = stream.peer
        self.identity: str | None = None
        self._socket = self._tls = wrapped
        self._timeout_s = None
        self._lock = threading.Lock()

    @classmethod
    def around(cls, stream: SocketStream, context: ssl.SSLContext, *, is_listener: bool) -> Self:
        """Take over a stream's connection; ending one ends the other.

        Raises:
            ssl.SSLError: The connection is lost already.
        """

        def wrap(connection: socket.socket) -> ssl.SSLSocket:
            return context.wrap_socket(connection, server_side=is_listener, do_handshake_on_connect=False)

        wrapped = stream.layer(wrap)
        wrapped.setblocking(False)
        return cls(stream, wrapped)

    def shake_hands(self) -> None:
        """Agree on TLS with the other end.

        Raises:
            ssl.SSLError: It cannot, or has no certificate of the lab.
            PeerError: It was lost, or silent until the timeout.
        """
        with self._blaming(pass_on=ssl.SSLError):
            self._do(self._tls.do_handshake, self._deadline_s())

    def certificate_names(self) -> list[tuple[str, str]]:
        """Form and value of the alternative names in the other end's verified certificate."""
        certificate = self._tls.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        return [(str(name[0]), str(name[1])) for name in names if isinstance(name, tuple) and len(name) == 2]

    def send(self, buffers: Sequence[memoryview]) -> None:
        with self._blaming(too_late="accepts no more bytes"):
            # Join short buffers: each would be a record, and a packet, of its own.
            pending = bytearray()
            for buffer in buffers:
                rest = buffer
                if pending:
                    missing = _RECORD_BYTES - len(pending)
                    pending += rest[:missing]
                    rest = rest[missing:]
                    if len(pending) == _RECORD_BYTES:
                        self._write(memoryview(pending))
                        pending = bytearray()
                whole = rest.nbytes - rest.nbytes % _RECORD_BYTES
                self._write(rest[:whole])
                pending += rest[whole:]
            self._write(memoryview(pending))

    def send_now(self, buffers: Sequence[memoryview]) -> Sequence[memoryview]:
        """Send nothing: encrypting takes time."""
        return buffers

    def tcp_bytes(self, sent_bytes: int) -> int:
        records = -(-sent_bytes // _RECORD_BYTES)
        return sent_bytes + _RECORD_OVERHEAD_BYTES * records

    def _write(self, rest: memoryview) -> None:
        while rest.nbytes:
            sent = self._do(partial(self._tls.send, rest), self._deadline_s())
            rest = rest[sent:]

    def receive_into(self, buffer: memoryview, *, begun: bool = False) -> int:
        with self._blaming():
            if self._timeout_s is None:
                return self._receive_at_pace(buffer, begun)
            deadline_s = self._deadline_s()
            size, received = len(buffer), 0
            while received < size and (count := self._take(buffer[received:], deadline_s)):
                received += count
            return received

    def _receive_at_pace(self, buffer: memoryview, begun: bool) -> int:
        """Like that of `SocketStream`, but counted here: OpenSSL may hold an incomplete record."""
        size, received = len(buffer), 0
        paced_since_s, paced_from, stalled_s = 0.0, 0, None
        while received < size:
            if begun or received:
                now_s = time.monotonic()
                if stalled_s is None:
                    paced_since_s = now_s
                elif now_s - paced_since_s >= STALL_S:
                    if received - paced_from < SLOWEST_BYTES_PER_S * (now_s - paced_since_s):
                        raise PeerError(f"{self.peer} is too slow")
                    paced_since_s, paced_from = now_s, received
                stalled_s = now_s + STALL_S
            count = self._take(buffer[received:], stalled_s)
            if count == 0:
                break
            received += count
        return received

    def receive_some(self, buffer: memoryview) -> int:
        with self._blaming():
            return self._take(buffer, self._deadline_s())

    def receive_some_into(self, buffers: Sequence[memoryview]) -> int:
        """Fill the first buffer alone, as OpenSSL does."""
        return self.receive_some(buffers[0])

    def set_timeout(self, seconds: float | None) -> None:
        self._timeout_s = seconds

    def _take(self, buffer: memoryview, deadline_s: float | None) -> int:
        return self._do(partial(self._tls.recv_into, buffer), deadline_s)

    def _deadline_s(self) -> float | None:
        return None if self._timeout_s is None else time.monotonic() + self._timeout_s

    def _do(self, call: Callable[[], int | None], deadline_s: float | None) -> int:
        """Call into OpenSSL until it need not wait for the socket. Raises TimeoutError: it still must."""
        while True:
            with self._lock:
                try:
                    return call() or 0
                except ssl.SSLWantReadError:
                    events = select.POLLIN
                except ssl.SSLWantWriteError:
                    events = select.POLLOUT
            poll = select.poll()
            poll.register(self._tls.fileno(), events)
            left_s = None if deadline_s is None else max(deadline_s - time.monotonic(), 0.0)
            if not poll.poll(None if left_s is None else left_s * 1e3) and left_s is not None:
                raise TimeoutError

    @contextlib.contextmanager
    def _blaming(
        self, *, too_late: str = "sent nothing in time", pass_on: type[Exception] | tuple[()] = ()
    ) -> Iterator[None]:
        try:
            yield
        except pass_on:
            raise
        except TimeoutError as error:
            raise PeerError(f"{self.peer} {too_late}") from error
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise PeerError(f"connection to {self.peer} was lost ({why})") from error
