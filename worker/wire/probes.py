"""What is said to measure a link: which worker expects a probe, which one sends it, what was seen of it.

The controller tells the receiver to expect a probe and the sender to send it. Probes go to the receiver's
data port, over TCP and UDP, so that they meet what data meets. All of them need a claim.
"""

from typing import Literal

from worker.wire.base import Message

__all__ = [
    "ExpectProbe",
    "JoinProbe",
    "ProbeRoundTrips",
    "ProbeThroughput",
    "ProbeTrain",
    "RoundTrips",
    "TakeTrain",
    "Throughput",
    "TrainReceived",
    "TrainSent",
]


class ExpectProbe(Message, frozen=True):
    """Take part in this probe as its receiver: answer on the data port, count datagrams on UDP.

    `probe` is 32 hex digits that nobody else knows. It takes the place of one expected before; None
    expects none any more.
    """

    probe: str | None


class ProbeRoundTrips(Message, frozen=True):
    """Time echoes on a data connection, one after the other, after `warmup` that do not count.

    It ends after `round_trips`, or once `duration_s` has passed and `at_least` are there. `receiver` is the
    device that must be there, as in `LinkSpec`.
    """

    probe: str
    host: str
    port: int
    round_trips: int
    at_least: int
    duration_s: float
    warmup: int = 0
    receiver: str | None = None


class ProbeTrain(Message, frozen=True):
    """Send datagrams to the receiver's data port, one every `datagram_bytes` / rate.

    `datagram_bytes` is the payload alone; `rate_mbit` counts the `frame_bytes` that each is on the wire.
    """

    probe: str
    host: str
    port: int
    train: int
    datagrams: int
    datagram_bytes: int
    frame_bytes: int
    rate_mbit: float


class TakeTrain(Message, frozen=True):
    """Hand over what was seen of a train of so many datagrams.

    Waits until all are there, or none came for `settle_s`.
    """

    probe: str
    train: int
    datagrams: int
    settle_s: float


class ProbeThroughput(Message, frozen=True):
    """Send as fast as one data connection can; the receiver counts for `duration_s`."""

    probe: str
    host: str
    port: int
    duration_s: float
    receiver: str | None = None


class JoinProbe(Message, frozen=True):
    """First message on a data connection that is a probe. Answered by `Done` or `Problem`.

    `echo`: what is sent comes back. `throughput`: bytes are counted for `duration_s`, then one
    `Throughput` is sent.
    """

    probe: str
    kind: Literal["echo", "throughput"]
    sender: str
    duration_s: float = 0.0


class RoundTrips(Message, frozen=True):
    """Every timed round trip, on the sender's clock."""

    round_trips_s: tuple[float, ...]


class TrainSent(Message, frozen=True):
    """The train has left: `elapsed_s` from its first datagram to its last."""

    datagrams: int
    elapsed_s: float


class TrainReceived(Message, frozen=True):
    """What came of a train, on the receiver's clock.

    `datagrams` came and were read; `overflowed` came too, but the receiver was too slow to take them.
    `elapsed_s` is from the first that came to the last.
    """

    datagrams: int
    overflowed: int
    elapsed_s: float


class Throughput(Message, frozen=True):
    """Bytes that came after the first ones, and how long that took, on the receiver's clock."""

    received_bytes: int
    elapsed_s: float
