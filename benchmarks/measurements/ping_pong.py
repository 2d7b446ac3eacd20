"""The bare wire: bytes back and forth between two processes, with `sendmsg` and `recv_into` alone.

`python -m benchmarks.measurements.ping_pong BYTES ROUND_TRIPS CORE OTHER_CORE` prints the median round trip
in seconds. A hop's time beyond half a round trip is the runtime's.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from worker.terminal import say, show

__all__ = ["half_round_trip_s"]

_TIMEOUT_S = 60.0
_WARMUP = 20


def half_round_trip_s(size_bytes: int, round_trips: int, cores: Sequence[int]) -> float:
    """Half the median round trip of `size_bytes` between two processes pinned to `cores`."""
    arguments = [str(number) for number in (size_bytes, round_trips, *cores)]
    done = subprocess.run(
        [sys.executable, "-m", __name__, *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return float(done.stdout) / 2


def _main(size_bytes: int, round_trips: int, core: int, other_core: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            os.sched_setaffinity(0, {other_core})
            with socket.create_connection(server.getsockname()) as connection:
                _echo(connection, size_bytes, round_trips + _WARMUP)
            os._exit(0)
        os.sched_setaffinity(0, {core})
        connection, _ = server.accept()
        with connection:
            times_s = _time_round_trips(connection, size_bytes, round_trips + _WARMUP)
        os.waitpid(child, 0)
    show(str(statistics.median(times_s[_WARMUP:])))


def _echo(connection: socket.socket, size_bytes: int, count: int) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(size_bytes))
    for _ in range(count):
        _receive(connection, buffer)
        _send(connection, buffer)


def _time_round_trips(connection: socket.socket, size_bytes: int, count: int) -> list[float]:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    outgoing, incoming = memoryview(bytes(size_bytes)), memoryview(bytearray(size_bytes))
    times_s = []
    for _ in range(count):
        began_s = time.monotonic()
        _send(connection, outgoing)
        _receive(connection, incoming)
        times_s.append(time.monotonic() - began_s)
    return times_s


def _send(connection: socket.socket, buffer: memoryview) -> None:
    while buffer:
        buffer = buffer[connection.sendmsg([buffer]) :]


def _receive(connection: socket.socket, buffer: memoryview) -> None:
    while buffer:
        count = connection.recv_into(buffer, 0, socket.MSG_WAITALL)
        if count == 0:
            say("error: the peer closed the connection")
            sys.exit(2)
        buffer = buffer[count:]


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
