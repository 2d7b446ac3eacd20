"""Emulated links: when a frame would leave and arrive under a delay, jitter and rate."""

import random
import threading
from dataclasses import dataclass

from worker.wire.errors import RefusedError
from worker.wire.ethernet import ethernet_bytes
from worker.wire.messages import Emulation, LinkSpec

__all__ = ["EmulatedLink", "EmulatedLinks", "Passage"]


@dataclass(frozen=True, slots=True)
class Passage:
    """When a frame starts on the link, has left with its last byte, and arrives at the other end."""

    start_s: float
    departure_s: float
    delivery_s: float


class EmulatedLink:
    """Schedules frames over a link that carries one at a time and delays each.

    start = max(ready, link free); departure = start + Ethernet's bytes / rate; delivery = departure + delay
    +- jitter, never before the departure and never before the frame ahead. Several frames may be between
    departure and delivery. Times count from when a frame is ready, so that late wake-ups do not add up.

    It stands for one direction between two devices: all of a pipeline's links in this direction share it, as
    they would share a cable. Frames take their turns in the order of `carry`, which any thread may call.
    """

    def __init__(self, emulation: Emulation) -> None:
        """Raises RefusedError: a negative delay or jitter, or a rate that is not above zero."""
        delay_ms, jitter_ms, rate_mbit = emulation.delay_ms, emulation.jitter_ms, emulation.rate_mbit
        if not (0 <= delay_ms < float("inf") and 0 <= jitter_ms < float("inf")):
            raise RefusedError(f"an emulated link cannot have delay {delay_ms} ms and jitter {jitter_ms} ms")
        if rate_mbit is not None and not rate_mbit > 0:
            raise RefusedError(f"an emulated link cannot have a rate of {rate_mbit} Mbit/s")
        self.emulation = emulation
        self._delay_s = delay_ms / 1e3
        self._jitter_s = jitter_ms / 1e3
        self._seconds_per_byte = 0.0 if rate_mbit is None else 8 / (rate_mbit * 1e6)
        self._random = random.Random(emulation.seed)
        self._lock = threading.Lock()
        self._free_at_s = float("-inf")
        self._delivered_s = float("-inf")

    def carry(self, ready_at_s: float, tcp_bytes: int) -> Passage:
        """Schedule the next frame, of so many bytes as TCP gets it."""
        with self._lock:
            start_s = max(ready_at_s, self._free_at_s)
            departure_s = start_s + ethernet_bytes(tcp_bytes) * self._seconds_per_byte
            self._free_at_s = departure_s
            delivery_s = departure_s + self._delay_s
            if self._jitter_s:
                delivery_s = max(
                    departure_s, delivery_s + self._random.uniform(-self._jitter_s, self._jitter_s)
                )
            self._delivered_s = max(self._delivered_s, delivery_s)
            return Passage(start_s, departure_s, self._delivered_s)


class EmulatedLinks:
    """The emulated links of a pipeline that leave this device: one for each device at the other end."""

    def __init__(self) -> None:
        # A device has one data port, so its address tells it apart.
        self._by_receiver: dict[tuple[str | None, int | None], EmulatedLink] = {}

    def towards_receiver_of(self, spec: LinkSpec) -> EmulatedLink:
        """The link that carries these frames, with all others to the same device.

        Raises:
            RefusedError: its conditions cannot be, or another link to that device has different ones.
        """
        assert spec.emulation is not None
        receiver = spec.host, spec.port
        link = self._by_receiver.get(receiver)
        if link is None:
            link = self._by_receiver[receiver] = EmulatedLink(spec.emulation)
        elif link.emulation != spec.emulation:
            raise RefusedError(
                f"link {spec.name} to {spec.host}:{spec.port} has other emulated conditions than an earlier "
                "link to this device; links to one device share theirs"
            )
        return link
