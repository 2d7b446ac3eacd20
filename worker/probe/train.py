"""A paced train of datagrams: sent at a stated rate, counted and timed where it arrives."""

import errno
import socket
import struct
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from worker.clock import clock, sharpen_sleep, sleep_until
from worker.wire.errors import FailedError, PeerError, RefusedError
from worker.wire.messages import ProbeTrain, TrainReceived, TrainSent

__all__ = ["HEADER_BYTES", "MAX_DATAGRAMS", "TrainCount", "read_header", "send_train"]

_HEADER: Final = struct.Struct("<4s16sII")
_MAGIC: Final = b"ECPT"
HEADER_BYTES: Final = _HEADER.size

MAX_DATAGRAMS: Final = 200_000
_MAX_DATAGRAM_BYTES: Final = 9_000
_MAX_DURATION_S: Final = 120.0


def send_train(request: ProbeTrain, ended: Event) -> TrainSent:
    """Send the datagrams, each when it is due; a late one does not delay the others.

    Raises:
        RefusedError: the numbers are out of range.
        PeerError: nothing listens on the receiver's port, or its host cannot be reached.
        FailedError: the controller went away.
    """
    interval_s = _check(request)
    payload = bytearray(request.datagram_bytes)
    probe = bytes.fromhex(request.probe)
    to = f"UDP port {request.port} of {request.host}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_DGRAM)[
            0
        ]
        with socket.socket(family, kind) as sending:
            sending.connect(address)
            sharpen_sleep()
            began_s = sent_s = clock()
            for number in range(request.datagrams):
                if not sleep_until(began_s + number * interval_s, ended):
                    raise FailedError("the controller went away")
                _HEADER.pack_into(payload, 0, _MAGIC, probe, request.train, number)
                _send(sending, payload, ended)
                sent_s = clock()
    except OSError as error:
        raise PeerError(f"cannot send to {to} ({error.strerror or error})") from error
    return TrainSent(datagrams=request.datagrams, elapsed_s=sent_s - began_s)


def _send(sending: socket.socket, payload: bytearray, ended: Event) -> None:
    """Send one datagram; wait while the host's own queue is full, which is no loss of the link."""
    while True:
        try:
            sending.send(payload)
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS or ended.wait(0.001):
                raise


def _check(request: ProbeTrain) -> float:
    """Seconds from one datagram to the next. Raises RefusedError: out of range."""
    fits = (
        1 <= request.datagrams <= MAX_DATAGRAMS
        and HEADER_BYTES <= request.datagram_bytes <= _MAX_DATAGRAM_BYTES
        and request.datagram_bytes <= request.frame_bytes <= _MAX_DATAGRAM_BYTES + 200
        and 0 < request.rate_mbit < float("inf")
        and 0 <= request.train < 2**32
    )
    if not fits or request.datagrams * request.frame_bytes * 8 / (request.rate_mbit * 1e6) > _MAX_DURATION_S:
        raise RefusedError(
            f"cannot send {request.datagrams} datagrams of {request.datagram_bytes} bytes at "
            f"{request.rate_mbit:g} Mbit/s (at most {MAX_DATAGRAMS}, of {HEADER_BYTES} to "
            f"{_MAX_DATAGRAM_BYTES} bytes, within {_MAX_DURATION_S:g} s)"
        )
    return request.frame_bytes * 8 / (request.rate_mbit * 1e6)


def read_header(datagram: memoryview) -> tuple[str, int, int] | None:
    """Probe, train and number of a datagram; None when it is not ours."""
    if len(datagram) < HEADER_BYTES:
        return None
    magic, probe, train, number = _HEADER.unpack_from(datagram)
    return (probe.hex(), train, number) if magic == _MAGIC else None


@dataclass
class TrainCount:
    """What has arrived of one train. `overflowed_before` is the socket's count of drops when it began."""

    overflowed_before: int
    numbers: set[int] = field(default_factory=set)
    first_s: float = 0.0
    last_s: float = 0.0

    def add(self, number: int, at_s: float) -> None:
        """Count an arrived datagram; a duplicate counts once."""
        if number >= MAX_DATAGRAMS:
            return
        if not self.numbers:
            self.first_s = at_s
        self.numbers.add(number)
        self.last_s = at_s

    def received(self, overflowed: int) -> TrainReceived:
        """The count, given that the socket has dropped `overflowed` so far."""
        return TrainReceived(
            datagrams=len(self.numbers),
            overflowed=max(0, overflowed - self.overflowed_before),
            elapsed_s=self.last_s - self.first_s,
        )
