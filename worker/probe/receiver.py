"""The receiving side of probes: answer and count the expected one, ignore anything else."""

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
_BUFFER_BYTES: Final = 4 * 1024 * 1024

# SO_MEMINFO of Linux: nine counts; the last is datagrams that arrived while the buffer was full.
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")


class ProbeReceiver:
    """Expects at most one probe at a time; the UDP port is open only meanwhile."""

    def __init__(self, host: str, data_port: int) -> None:
        """Datagrams arrive on the UDP port with the data port's number."""
        self._host = host
        self._port = data_port
        self._lock = threading.Lock()
        self._probe: str | None = None
        self._trains: dict[int, TrainCount] = {}
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def expect(self, request: ExpectProbe) -> None:
        """Expect this probe, or none.

        Raises:
            RefusedError: not a probe's name.
            FailedError: the UDP port is not available.
        """
        self.close()
        if request.probe is None:
            return
        if len(request.probe) != _PROBE_DIGITS or not set(request.probe) <= set("0123456789abcdef"):
            raise RefusedError(f"a probe's name is {_PROBE_DIGITS} hex digits")
        receiving = self._bind()
        with self._lock:
            self._probe, self._socket = request.probe, receiving
        self._thread = threading.Thread(
            target=self._count, args=(receiving, request.probe), name="probe datagrams", daemon=True
        )
        self._thread.start()

    def take_train(self, request: TakeTrain) -> TrainReceived:
        """What arrived of a train, once it is complete or nothing more arrives.

        Raises:
            RefusedError: another probe is expected, or none.
        """
        if not 0 <= request.settle_s <= _MAX_SETTLE_S:
            raise RefusedError(f"cannot wait {request.settle_s} s for datagrams (0 to {_MAX_SETTLE_S:g})")
        began_s = clock()
        while True:
            with self._lock:
                if request.probe != self._probe:
                    raise RefusedError("this probe is not expected here")
                count = self._trains.get(request.train) or TrainCount(0)
                whole = len(count.numbers) >= request.datagrams
                if whole or clock() >= max(began_s, count.last_s) + request.settle_s:
                    self._trains.pop(request.train, None)
                    return count.received(self._overflowed() if count.numbers else 0)
            # Waking for each datagram would slow the counting down.
            time.sleep(_LOOK_EVERY_S)

    def serve(self, join: JoinProbe, stream: SocketStream) -> None:
        """Accept a probe's connection and serve it until it ends.

        Raises:
            RefusedError: the probe is not expected; the other end gets the error.
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
        """Stop expecting a probe."""
        with self._lock:
            receiving, self._socket, self._probe = self._socket, None, None
            self._trains.clear()
        if receiving is not None:
            # A plain close would leave the counting thread waiting for ever; woken, it closes the socket.
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
                receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
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
        """Datagrams that arrived while the socket's buffer was full; 0 where the system does not say."""
        if self._socket is None:
            return 0
        try:
            meminfo = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        return int(_MEMINFO.unpack(meminfo)[8]) if len(meminfo) == _MEMINFO.size else 0
