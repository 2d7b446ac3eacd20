"""Messages that measure a link.

The controller tells the receiver to expect a probe and the sender to send it. Probes go to the receiver's
data port, over TCP and UDP, so that they meet what data meets. All requests need a claim.
"""

from typing import Literal

from worker.wire.base import Done, Message, Request

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


class ExpectProbe(Request[Done], frozen=True):
    """Receive this probe: answer on the data port, count datagrams on UDP.

    `probe` is 32 secret hex digits. It replaces the probe expected before; None expects none any more.
    """

    probe: str | None


class RoundTrips(Message, frozen=True):
    """Every timed round trip, on the sender's clock."""

    round_trips_s: tuple[float, ...]


class ProbeRoundTrips(Request[RoundTrips], frozen=True):
    """Time echoes on a data connection, one after the other, after `warmup` that do not count.

    Ends after `round_trips`, or after `duration_s` with at least `at_least`. `receiver` is the device that
    must answer, as in `LinkSpec`.
    """

    probe: str
    host: str
    port: int
    round_trips: int
    at_least: int
    duration_s: float
    warmup: int = 0
    receiver: str | None = None


class TrainSent(Message, frozen=True):
    """The train has left: `elapsed_s` from its first datagram to its last."""

    datagrams: int
    elapsed_s: float


class ProbeTrain(Request[TrainSent], frozen=True):
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


class TrainReceived(Message, frozen=True):
    """What arrived of a train, on the receiver's clock.

    The receiver read `datagrams`; `overflowed` arrived too, but the receiver was too slow to read them.
    `elapsed_s` is from the first arrival to the last.
    """

    datagrams: int
    overflowed: int
    elapsed_s: float


class TakeTrain(Request[TrainReceived], frozen=True):
    """Hand over what arrived of a train of `datagrams`.

    The receiver waits until all have arrived, or none for `settle_s`.
    """

    probe: str
    train: int
    datagrams: int
    settle_s: float


class Throughput(Message, frozen=True):
    """Bytes that arrived after the first ones, and how long that took, on the receiver's clock."""

    received_bytes: int
    elapsed_s: float


class ProbeThroughput(Request[Throughput], frozen=True):
    """Send as fast as one data connection can; the receiver counts for `duration_s`."""

    probe: str
    host: str
    port: int
    duration_s: float
    receiver: str | None = None


class JoinProbe(Message, frozen=True):
    """First message on a data connection that is a probe. The receiver answers with `Done` or `Problem`.

    `echo`: the receiver sends back every byte. `throughput`: it counts bytes for `duration_s`, then sends
    one `Throughput`.
    """

    probe: str
    kind: Literal["echo", "throughput"]
    sender: str
    duration_s: float = 0.0
