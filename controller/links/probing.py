"""Measure one direction of a link with the two workers at its ends."""

import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controller.errors import DeviceError
from controller.experiment.networks import Direction
from controller.lab.worker_client import ClaimedWorker
from controller.links.bounds import Measured
from worker.wire.messages import (
    ExpectProbe,
    ProbeRoundTrips,
    ProbeThroughput,
    ProbeTrain,
    TakeTrain,
    TrainReceived,
    TrainSent,
)

__all__ = ["probe_link", "probe_path", "probe_round_trips", "reach"]

_ROUND_TRIPS = 101
_MEDIAN_WANTS = 11
_WARMUP = 20
_ROUND_TRIPS_S = 4.0

# Small enough for any tunnel: the kernel would count and shape a fragmented datagram differently.
_DATAGRAM_BYTES = 1200
_HEADERS_V4_BYTES = 42
_HEADERS_V6_BYTES = 62

_LOSS_TRAIN = 1
_LOSS_SHARE = 0.5
_LOSS_MBIT = 20.0
_LOSS_S = 4.0
_LOSS_FEWEST = 20
_LOSS_MOST = 2000

_RATE_TRAIN = 2
_RATE_EXCESS = 1.25
_RATE_S = 2.0
_RATE_FEWEST = 30
_RATE_MOST = 150_000

_TICK_S = 1e-9
"""Of a clock: in less nothing arrives."""

_QUEUE_S = 1.0
_THROUGHPUT_S = 1.5
_THROUGHPUT_MOST_S = 10.0
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class _Train:
    """A train of datagrams and its result."""

    datagrams: int
    frame_bytes: int
    sent: TrainSent
    received: TrainReceived

    @property
    def arrived(self) -> int:
        """Datagrams that crossed the link, including those that the receiver was too slow to read."""
        return min(self.datagrams, self.received.datagrams + self.received.overflowed)

    def mbit(self, datagrams: int, elapsed_s: float) -> float | None:
        if datagrams < 2 or elapsed_s < _TICK_S:
            return None
        return (datagrams - 1) * self.frame_bytes * 8 / elapsed_s / 1e6


@dataclass(frozen=True)
class _Path:
    """A sender, a receiver, and the longest time that datagrams stay under way."""

    sender: ClaimedWorker
    receiver: ClaimedWorker
    probe: str
    settle_s: float

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Have the receiver take this probe's datagrams and connections."""
        self.receiver.ask(ExpectProbe(probe=self.probe), timeout_s=_PATIENCE_S)
        try:
            yield
        finally:
            self.receiver.ask(ExpectProbe(probe=None), timeout_s=_PATIENCE_S)

    def send(self, train: int, datagrams: int, rate_mbit: float) -> _Train:
        device = self.receiver.device
        headers_bytes = _HEADERS_V6_BYTES if ":" in device.host else _HEADERS_V4_BYTES
        requested = ProbeTrain(
            probe=self.probe,
            host=device.host,
            port=device.data_port,
            train=train,
            datagrams=datagrams,
            datagram_bytes=_DATAGRAM_BYTES,
            frame_bytes=_DATAGRAM_BYTES + headers_bytes,
            rate_mbit=rate_mbit,
        )
        sent = self.sender.ask(requested, timeout_s=_PATIENCE_S * 3)
        take = TakeTrain(probe=self.probe, train=train, datagrams=datagrams, settle_s=self.settle_s)
        received = self.receiver.ask(take, timeout_s=_PATIENCE_S * 3)
        if not received.datagrams:
            raise DeviceError(
                device.name,
                f"none of {datagrams} datagrams from {self.sender.name} reached UDP port {device.data_port} "
                f"of {device.host}; open the data port for UDP, and check that the link is up",
            )
        return _Train(datagrams, requested.frame_bytes, sent, received)


def probe_link(sender: ClaimedWorker, receiver: ClaimedWorker, requested: Direction) -> Measured:
    """Measure the link from `sender` to `receiver`: round trips, loss, rate, throughput, in this order.

    `requested` sets the trains' pace: below its rate to measure loss, above it to measure the rate.

    Raises:
        DeviceError: A worker was lost, or no datagram arrived.
    """
    settle_s = (requested.delay_ms + requested.jitter_ms) / 1e3 + _QUEUE_S
    path = _Path(sender, receiver, secrets.token_hex(16), settle_s)
    with path.expected():
        round_trips_s = _round_trips(path)
        loss = _loss_train(path, requested)
        rate = _rate_train(path, requested) if requested.rate_mbit else None
        tcp_mbit = _throughput(path, statistics.median(round_trips_s))
    # Queued datagrams would delay the next probe.
    time.sleep(settle_s)
    enough = len(round_trips_s) >= _MEDIAN_WANTS
    return Measured(
        round_trip_ms=statistics.median(round_trips_s) * 1e3 if enough else None,
        round_trips=len(round_trips_s),
        datagrams=loss.datagrams,
        lost=loss.datagrams - loss.arrived,
        rate_mbit=rate.mbit(rate.arrived, rate.received.elapsed_s) if rate else None,
        offered_mbit=rate.mbit(rate.sent.datagrams, rate.sent.elapsed_s) if rate else None,
        tcp_mbit=tcp_mbit,
    )


def probe_path(sender: ClaimedWorker, receiver: ClaimedWorker) -> tuple[float, float]:
    """Median round trip in seconds and TCP throughput in Mbit/s of a link as it is, without datagrams.

    Raises:
        DeviceError: A worker was lost, or the receiver cannot be reached.
    """
    path = _Path(sender, receiver, secrets.token_hex(16), _QUEUE_S)
    with path.expected():
        round_trip_s = statistics.median(_round_trips(path))
        return round_trip_s, _throughput(path, round_trip_s)


def probe_round_trips(sender: ClaimedWorker, receiver: ClaimedWorker) -> tuple[float, ...]:
    """Seconds of each round trip from `sender` to `receiver` and back.

    Raises:
        DeviceError: A worker was lost, or the receiver cannot be reached.
    """
    path = _Path(sender, receiver, secrets.token_hex(16), _QUEUE_S)
    with path.expected():
        return _round_trips(path)


def reach(sender: ClaimedWorker, receiver: ClaimedWorker) -> None:
    """Send a message from `sender` to the data port of `receiver` and back.

    Raises:
        DeviceError: A worker was lost, or the receiver cannot be reached.
    """
    path = _Path(sender, receiver, secrets.token_hex(16), _QUEUE_S)
    with path.expected():
        _round_trips(path, fewest=1, most=1, warmup=0)


def _round_trips(
    path: _Path, *, fewest: int = _MEDIAN_WANTS, most: int = _ROUND_TRIPS, warmup: int = _WARMUP
) -> tuple[float, ...]:
    device = path.receiver.device
    requested = ProbeRoundTrips(
        probe=path.probe,
        host=device.host,
        port=device.data_port,
        round_trips=most,
        at_least=fewest,
        duration_s=_ROUND_TRIPS_S,
        warmup=warmup,
        receiver=device.name,
    )
    # At a delay of seconds the fewest round trips for a median take a minute.
    return path.sender.ask(requested, timeout_s=_PATIENCE_S * 5).round_trips_s


def _loss_train(path: _Path, requested: Direction) -> _Train:
    rate_mbit = min(_LOSS_MBIT, _LOSS_SHARE * requested.rate_mbit) if requested.rate_mbit else _LOSS_MBIT
    return path.send(_LOSS_TRAIN, _datagrams(rate_mbit, _LOSS_S, _LOSS_FEWEST, _LOSS_MOST), rate_mbit)


def _rate_train(path: _Path, requested: Direction) -> _Train:
    assert requested.rate_mbit is not None
    rate_mbit = _RATE_EXCESS * requested.rate_mbit / (1 - requested.loss_percent / 100)
    return path.send(_RATE_TRAIN, _datagrams(rate_mbit, _RATE_S, _RATE_FEWEST, _RATE_MOST), rate_mbit)


def _datagrams(rate_mbit: float, duration_s: float, fewest: int, most: int) -> int:
    return min(most, max(fewest, round(rate_mbit * 1e6 * duration_s / (_DATAGRAM_BYTES * 8))))


def _throughput(path: _Path, round_trip_s: float) -> float:
    """Measure for at least ten round trips, which a connection needs to reach a link's rate."""
    device = path.receiver.device
    requested = ProbeThroughput(
        probe=path.probe,
        host=device.host,
        port=device.data_port,
        duration_s=min(_THROUGHPUT_MOST_S, max(_THROUGHPUT_S, 10 * round_trip_s)),
        receiver=device.name,
    )
    seen = path.sender.ask(requested, timeout_s=_PATIENCE_S * 3)
    return seen.received_bytes * 8 / seen.elapsed_s / 1e6
