"""Compare a link's measurements with its network's conditions (bounds: docs/measuring.md)."""

import math
from dataclasses import dataclass

from controller.experiment.networks import Direction
from worker.wire.ethernet import ethernet_bytes

__all__ = ["PING_FRAME_BYTES", "Measured", "binomial_range", "violations", "requested_round_trip_ms"]

PING_FRAME_BYTES = ethernet_bytes(32)
"""A ping of 32 bytes on the wire."""

_SHARE = 0.10
# What two devices and the wire between them add to the delays that tc makes: 0.3 to 0.6 ms on virtual Pis.
_FLOOR_MS = 1.0
_RATE_SHARE = 0.15
_LOSS_CONFIDENCE = 0.99
# Two-sided 99 % of a normal distribution, in standard deviations.
_SPREAD = 2.576
# The train filled the link if the sender offered this much more, or the receiver got this much less.
_FILLING = 1.15
_HELD_BACK = 0.97


@dataclass(frozen=True)
class Measured:
    """One direction of a link, as its two workers measured it.

    Attributes:
        round_trip_ms: Median of `round_trips`; None with too few for a median.
        lost: Lost ones of `datagrams`.
        rate_mbit: Rate at which a train of datagrams arrived, including headers; None without a train.
        offered_mbit: Rate at which the sender sent that train.
        tcp_mbit: Payload throughput of one TCP connection.
    """

    round_trip_ms: float | None
    round_trips: int
    datagrams: int
    lost: int
    rate_mbit: float | None
    offered_mbit: float | None
    tcp_mbit: float

    @property
    def loss_percent(self) -> float:
        return 100 * self.lost / self.datagrams

    def filled(self, requested_mbit: float, loss_percent: float) -> bool:
        """Whether the rate is the link's limit, not the sender's."""
        if self.rate_mbit is None or self.offered_mbit is None:
            return False
        arriving_mbit = self.offered_mbit * (1 - loss_percent / 100)
        if arriving_mbit >= _FILLING * requested_mbit or self.rate_mbit > (1 + _RATE_SHARE) * requested_mbit:
            return True
        return arriving_mbit >= requested_mbit and self.rate_mbit < _HELD_BACK * arriving_mbit


def requested_round_trip_ms(there: Direction, back: Direction) -> float | None:
    """Both delays and the ping's transmission times; None where no delay is set."""
    if not (there.delay_ms or back.delay_ms):
        return None
    carried_ms = sum(
        PING_FRAME_BYTES * 8 / (way.rate_mbit * 1e3) for way in (there, back) if way.rate_mbit is not None
    )
    return there.delay_ms + back.delay_ms + carried_ms


def violations(there: Direction, back: Direction, measured: Measured) -> list[str]:
    """Figures out of bounds, in words. Conditions that are not set are not judged."""
    judged = [_round_trip(there, back, measured), _rate(there, measured), _loss(there, measured)]
    return [violation for violation in judged if violation]


def _round_trip(there: Direction, back: Direction, measured: Measured) -> str | None:
    requested_ms = requested_round_trip_ms(there, back)
    if requested_ms is None or measured.round_trip_ms is None:
        return None
    # The median of n round trips, each the sum of two uniform jitters, is off by this much at most: its
    # standard error is 1 / (2 f sqrt(n)), and the density f at the middle is 1 / (2 x the wider jitter).
    jitter_ms = max(there.jitter_ms, back.jitter_ms)
    bound_ms = _SHARE * requested_ms + _FLOOR_MS + _SPREAD * jitter_ms / math.sqrt(measured.round_trips)
    if abs(measured.round_trip_ms - requested_ms) <= bound_ms:
        return None
    bound = f"{requested_ms:.3g} ms +- {bound_ms:.2g}"
    return f"round trip should be {bound}, measured {measured.round_trip_ms:.3g} ms"


def _rate(there: Direction, measured: Measured) -> str | None:
    requested_mbit = there.rate_mbit
    if requested_mbit is None or measured.rate_mbit is None:
        return None
    if not measured.filled(requested_mbit, there.loss_percent):
        return None
    if abs(measured.rate_mbit - requested_mbit) <= _RATE_SHARE * requested_mbit:
        return None
    bound = f"{requested_mbit:g} Mbit/s +- {_RATE_SHARE:.0%}"
    return f"rate should be {bound}, measured {measured.rate_mbit:.1f} Mbit/s"


def _loss(there: Direction, measured: Measured) -> str | None:
    if not there.loss_percent:
        return None
    low, high = binomial_range(measured.datagrams, there.loss_percent / 100)
    if low <= measured.lost <= high:
        return None
    return (
        f"loss should be {there.loss_percent:g} % ({low} to {high} of {measured.datagrams} datagrams), "
        f"measured {measured.loss_percent:.3g} % ({measured.lost})"
    )


def binomial_range(trials: int, share: float) -> tuple[int, int]:
    """The likely range of the number of events in `trials`, each with probability `share`.

    Each tail beyond holds at most half of 1 %: the acceptance region of the exact two-sided test, so
    `share` is in the Clopper-Pearson interval of exactly these counts.
    """
    tail = (1 - _LOSS_CONFIDENCE) / 2
    log_share, log_rest = math.log(share), math.log1p(-share)
    odds = [
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + count * log_share
            + (trials - count) * log_rest
        )
        for count in range(trials + 1)
    ]
    low, below = 0, odds[0]
    while below <= tail:
        low += 1
        below += odds[low]
    high, above = trials, odds[trials]
    while above <= tail:
        high -= 1
        above += odds[high]
    return low, high
