"""A stream without a network: two ends in one process."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from worker.wire.errors import PeerError

__all__ = ["MemoryStream", "memory_pair"]

_CAPACITY_BYTES: Final = 256 * 1024


class _Direction:
    """Bytes in flight from one end to the other; a sender waits while too many are."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = threading.Condition()

    def put(self, chunk: bytes, timeout_s: float | None) -> bool:
        """Add bytes; False when the other end is gone, or too slow."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._bytes < _CAPACITY_BYTES, timeout_s)
            if self._ended or self._bytes >= _CAPACITY_BYTES:
                return False
            self._chunks.append(chunk)
            self._bytes += len(chunk)
            self._changed.notify_all()
            return True

    def take(self, most: int, timeout_s: float | None) -> bytes | None:
        """Some bytes; empty at the end; None when none arrived in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._chunks) or self._ended, timeout_s):
                return None
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > most:
                self._chunks.appendleft(chunk[most:])
                chunk = chunk[:most]
            self._bytes -= len(chunk)
            self._changed.notify_all()
            return chunk

    def end(self) -> None:
        """End the direction; the remaining bytes can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class MemoryStream:
    """One end of a pair; see `worker.wire.stream.Stream`."""

    def __init__(self, peer: str, incoming: _Direction, outgoing: _Direction) -> None:
        self.peer = peer
        self._incoming = incoming
        self._outgoing = outgoing
        self._timeout_s: float | None = None

    def send(self, buffers: Sequence[memoryview]) -> None:
        """See `Stream.send`."""
        for buffer in buffers:
            if buffer.nbytes and not self._outgoing.put(bytes(buffer), self._timeout_s):
                raise PeerError(f"connection to {self.peer} was lost")

    def send_now(self, buffers: Sequence[memoryview]) -> Sequence[memoryview]:
        """See `Stream.send_now`. Sends nothing: a sender here may wait."""
        return buffers

    def tcp_bytes(self, sent_bytes: int) -> int:
        return sent_bytes

    def tcp_account(self) -> None:
        """See `Stream.tcp_account`: no kernel knows of it."""

    def receive_into(self, buffer: memoryview, *, begun: bool = False) -> int:
        """See `Stream.receive_into`; `begun` changes nothing within a process."""
        deadline_s = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        received = 0
        while received < len(buffer):
            left_s = None if deadline_s is None else max(deadline_s - time.monotonic(), 0.0)
            chunk = self._incoming.take(len(buffer) - received, left_s)
            if chunk is None:
                raise PeerError(f"{self.peer} sent nothing in time")
            if not chunk:
                break
            buffer[received : received + len(chunk)] = chunk
            received += len(chunk)
        return received

    def receive_some_into(self, buffers: Sequence[memoryview]) -> int:
        """See `Stream.receive_some_into`."""
        chunk = self._incoming.take(len(buffers[0]), self._timeout_s)
        if chunk is None:
            raise PeerError(f"{self.peer} sent nothing in time")
        buffers[0][: len(chunk)] = chunk
        return len(chunk)

    def set_timeout(self, seconds: float | None) -> None:
        """See `Stream.set_timeout`."""
        self._timeout_s = seconds

    def shut(self) -> None:
        """See `Stream.shut`."""
        self._incoming.end()
        self._outgoing.end()

    def close(self) -> None:
        """See `Stream.close`."""
        self.shut()


def memory_pair(one: str = "memory-a", other: str = "memory-b") -> tuple[MemoryStream, MemoryStream]:
    """Two connected ends; `one` and `other` are their names in each other's `peer`."""
    forth, back = _Direction(), _Direction()
    return MemoryStream(other, back, forth), MemoryStream(one, forth, back)
