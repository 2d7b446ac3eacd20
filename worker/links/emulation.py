"""The emulated link: when a frame would leave and arrive under a delay, jitter and rate."""

import random
from dataclasses import dataclass

from worker.wire.errors import RefusedError
from worker.wire.messages import Emulation

__all__ = ["EmulatedLink", "Passage"]


@dataclass(frozen=True, slots=True)
class Passage:
    """When a frame starts on the link, has left with its last byte, and arrives at the other end."""

    start_s: float
    departure_s: float
    delivery_s: float


class EmulatedLink:
    """Schedules frames over a link that carries one at a time and delays each.

    start = max(ready, link free); departure = start + bytes / rate; delivery = departure + delay +- jitter,
    never before the departure and never before the frame ahead. Several frames may be between departure
    and delivery. Times count from when a frame is ready, so that late wake-ups do not add up.
    """

    def __init__(self, emulation: Emulation) -> None:
        """Raises RefusedError: a negative delay or jitter, or a rate that is not above zero."""
        delay_ms, jitter_ms, rate_mbit = emulation.delay_ms, emulation.jitter_ms, emulation.rate_mbit
        if not (0 <= delay_ms < float("inf") and 0 <= jitter_ms < float("inf")):
            raise RefusedError(f"an emulated link cannot have delay {delay_ms} ms and jitter {jitter_ms} ms")
        if rate_mbit is not None and not rate_mbit > 0:
            raise RefusedError(f"an emulated link cannot have a rate of {rate_mbit} Mbit/s")
        self._delay_s = delay_ms / 1e3
        self._jitter_s = jitter_ms / 1e3
        self._seconds_per_byte = 0.0 if rate_mbit is None else 8 / (rate_mbit * 1e6)
        self._random = random.Random(emulation.seed)
        self._free_at_s = float("-inf")
        self._delivered_s = float("-inf")

    def carry(self, ready_at_s: float, frame_bytes: int) -> Passage:
        """Schedule the next frame."""
        start_s = max(ready_at_s, self._free_at_s)
        departure_s = start_s + frame_bytes * self._seconds_per_byte
        self._free_at_s = departure_s
        delivery_s = departure_s + self._delay_s
        if self._jitter_s:
            delivery_s = max(departure_s, delivery_s + self._random.uniform(-self._jitter_s, self._jitter_s))
        self._delivered_s = max(self._delivered_s, delivery_s)
        return Passage(start_s, departure_s, self._delivered_s)
