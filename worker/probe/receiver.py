"""The receiving side of probes: what is expected is answered and counted, anything else is not."""

import contextlib
import os
import socket
import struct
import threading
import time
from typing import Final

from worker.clock import clock
from worker.probe.round_trips import serve_echo
from worker.probe.throughput import check_duration, serve_throughput
from worker.probe.train import TrainCount, read_header
from worker.wire.errors import FailedError, RefusedError
from worker.wire.joining import answering_join
from worker.wire.messages import ExpectProbe, JoinProbe, TakeTrain, TrainReceived
from worker.wire.stream import SocketStream

__all__ = ["ProbeReceiver"]

_PROBE_DIGITS: Final = 32
_MAX_TRAINS: Final = 16
_MAX_SETTLE_S: Final = 60.0
_MAX_DATAGRAM_BYTES: Final = 65_536
_LOOK_EVERY_S: Final = 0.02
_END_TIMEOUT_S: Final = 2.0
_WANTED_BUFFER_BYTES: Final = 4 * 1024 * 1024

# SO_MEMINFO of Linux: nine counts, the last of them datagrams that found the socket's buffer full.
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")


class ProbeReceiver:
    """Expects at most one probe at a time; the UDP port is open only while it does."""

    def __init__(self, host: str, data_port: int) -> None:
        """Datagrams are taken on the UDP port that has the data port's number."""
        self._host = host
        self._port = data_port
        self._lock = threading.Lock()
        self._probe: str | None = None
        self._trains: dict[int, TrainCount] = {}
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def expect(self, asked: ExpectProbe) -> None:
        """Stand ready for this probe, or for none.

        Raises:
            RefusedError: it is no probe's name.
            FailedError: the UDP port cannot be had.
        """
        self.close()
        if asked.probe is None:
            return
        if len(asked.probe) != _PROBE_DIGITS or not set(asked.probe) <= set("0123456789abcdef"):
            raise RefusedError(f"a probe's name is {_PROBE_DIGITS} hex digits")
        receiving = self._bind()
        with self._lock:
            self._probe, self._socket = asked.probe, receiving
        self._thread = threading.Thread(
            target=self._count, args=(receiving, asked.probe), name="probe datagrams", daemon=True
        )
        self._thread.start()

    def take_train(self, asked: TakeTrain) -> TrainReceived:
        """What came of a train, once it is whole or nothing more comes.

        Raises:
            RefusedError: this probe is not expected here.
        """
        if not 0 <= asked.settle_s <= _MAX_SETTLE_S:
            raise RefusedError(f"cannot wait {asked.settle_s} s for datagrams (0 to {_MAX_SETTLE_S:g})")
        began_s = clock()
        while True:
            with self._lock:
                if asked.probe != self._probe:
                    raise RefusedError("this probe is not expected here")
                count = self._trains.get(asked.train) or TrainCount(0)
                whole = len(count.numbers) >= asked.datagrams
                if whole or clock() >= max(began_s, count.last_s) + asked.settle_s:
                    self._trains.pop(asked.train, None)
                    return count.received(self._overflowed() if count.numbers else 0)
            # To be woken by each datagram would make the counting slow.
            time.sleep(_LOOK_EVERY_S)

    def serve(self, join: JoinProbe, stream: SocketStream) -> None:
        """Take a connection that is a probe, and serve it until it ends.

        Raises:
            RefusedError: it is not expected (the other end is told so).
            PeerError: the other end was lost.
        """
        with answering_join(stream):
            if join.probe != self._probe:
                raise RefusedError(f"the probe of {join.sender} is not expected here")
            if join.kind == "throughput":
                check_duration(join.duration_s)
        if join.kind == "echo":
            serve_echo(stream)
        else:
            serve_throughput(stream, join.duration_s)
        stream.close()

    def close(self) -> None:
        """Expect nothing any more."""
        with self._lock:
            receiving, self._socket, self._probe = self._socket, None, None
            self._trains.clear()
        if receiving is not None:
            # Closed under it, the counting thread would wait for ever; this wakes it, and it closes.
            with contextlib.suppress(OSError):
                receiving.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(_END_TIMEOUT_S)
            self._thread = None

    def _bind(self) -> socket.socket:
        try:
            family = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0][0]
            receiving = socket.socket(family, socket.SOCK_DGRAM)
            try:
                receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER_BYTES)
                receiving.bind((self._host, self._port))
            except BaseException:
                receiving.close()
                raise
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise FailedError(
                f"cannot receive on UDP port {self._port} of {self._host} ({reason}): stop what uses "
                f"it, or give --data-port another value"
            ) from error
        return receiving

    def _count(self, receiving: socket.socket, probe: str) -> None:
        buffer = memoryview(bytearray(_MAX_DATAGRAM_BYTES))
        with receiving:
            while True:
                try:
                    size = receiving.recv_into(buffer)
                except OSError:
                    return
                at_s = clock()
                header = read_header(buffer[:size])
                with self._lock:
                    if self._probe != probe:
                        return
                    if header is not None and header[0] == probe:
                        self._add(header[1], header[2], at_s)

    def _add(self, train: int, number: int, at_s: float) -> None:
        count = self._trains.get(train)
        if count is None:
            if len(self._trains) >= _MAX_TRAINS:
                return
            count = self._trains[train] = TrainCount(self._overflowed())
        count.add(number, at_s)

    def _overflowed(self) -> int:
        """Datagrams that came to the socket and found its buffer full; 0 where the system does not tell."""
        if self._socket is None:
            return 0
        try:
            told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        return int(_MEMINFO.unpack(told)[8]) if len(told) == _MEMINFO.size else 0
