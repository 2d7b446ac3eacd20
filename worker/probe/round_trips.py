"""Round trips on a data connection, one after the other."""

from collections.abc import Callable
from typing import Final

from worker.clock import clock
from worker.wire.errors import FailedError, PeerError, RefusedError
from worker.wire.joining import ask_to_join, open_data_connection
from worker.wire.messages import JoinProbe, ProbeRoundTrips, RoundTrips
from worker.wire.security import OPEN, Security
from worker.wire.stream import SocketStream

__all__ = ["PING_BYTES", "serve_echo", "time_round_trips"]

PING_BYTES: Final = 32

# Long enough for a link of many seconds' delay; a dead link must not block for ever.
_ECHO_TIMEOUT_S: Final = 30.0
_MAX_ROUND_TRIPS: Final = 10_000
_MAX_DURATION_S: Final = 300.0


def time_round_trips(
    request: ProbeRoundTrips, sender: str, abandoned: Callable[[], bool], security: Security = OPEN
) -> RoundTrips:
    """Send pings one by one, each after the echo of the one before.

    Args:
        request: the receiver, and how many.
        sender: our name.
        abandoned: whether the controller has gone.
        security: how the receiver proves itself.

    Raises:
        RefusedError: the numbers are out of range.
        PeerError: the receiver cannot be reached, does not expect this probe, or was lost.
    """
    total = request.warmup + request.round_trips
    if not (
        request.warmup >= 0 and 1 <= request.at_least <= request.round_trips and total <= _MAX_ROUND_TRIPS
    ):
        raise RefusedError(f"cannot time {request.round_trips} round trips after {request.warmup} warm-ups")
    if not 0 <= request.duration_s <= _MAX_DURATION_S:
        raise RefusedError(
            f"cannot time round trips for {request.duration_s} s (at most {_MAX_DURATION_S:g})"
        )
    stream = open_data_connection(request.host, request.port, security, expected=request.receiver)
    try:
        ask_to_join(stream, JoinProbe(probe=request.probe, kind="echo", sender=sender), "a probe")
        stream.set_timeout(_ECHO_TIMEOUT_S)
        return RoundTrips(round_trips_s=tuple(_time(stream, request, abandoned)))
    finally:
        stream.close()


def _time(stream: SocketStream, request: ProbeRoundTrips, abandoned: Callable[[], bool]) -> list[float]:
    ping = memoryview(bytearray(PING_BYTES))
    times_s: list[float] = []
    deadline_s = clock() + request.duration_s
    for position in range(request.warmup + request.round_trips):
        if len(times_s) >= request.at_least and clock() > deadline_s:
            break
        if abandoned():
            raise FailedError("the controller went away")
        ping[:8] = position.to_bytes(8, "little")
        began_s = clock()
        stream.send([ping])
        if stream.receive_into(ping) < PING_BYTES:
            raise PeerError(f"{stream.peer} ended the probe")
        # A link slow enough to be past the deadline already is warm after one.
        if position >= request.warmup or (position and clock() > deadline_s):
            times_s.append(clock() - began_s)
    return times_s


def serve_echo(stream: SocketStream) -> None:
    """Send back every ping, until the other end closes.

    Raises:
        PeerError: it was lost, or is silent.
    """
    stream.set_timeout(_ECHO_TIMEOUT_S)
    ping = memoryview(bytearray(PING_BYTES))
    while stream.receive_into(ping) == PING_BYTES:
        stream.send([ping])
