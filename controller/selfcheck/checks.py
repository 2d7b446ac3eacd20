"""The checks: what is planted on a device or sent over a link, and what must come out.

Times and payloads are long beside the runtime's own time for a request (0.1 to 0.6 ms), which is no part of
the truth.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from controller.experiment.cells import cell_of
from controller.experiment.networks import Direction
from controller.experiment.planted import PlantedDevice, planted_text
from controller.results import Cell, Settings, Trial
from controller.results.metrics import period_s
from controller.selfcheck.verdict import Finding
from exporter.bundle import Bundle, export_null
from worker.wire.ethernet import ethernet_bytes
from worker.wire.frames import LinkLayout
from worker.wire.messages import TensorSpec

__all__ = ["DeviceCheck", "LatencyCheck", "RateCheck"]

_ALLOWED: Final = 0.05
_FLOOR_S: Final = 0.001
"""What the runtime itself may add to a latency."""

_PLANTED_MS: Final = 20.0
_CHECK_S: Final = 2.0
_FEWEST: Final = 24

_SENT_S: Final = 0.01
"""How long a payload is on its way over a link with a rate."""
_SMALLEST, _LARGEST = 64, 1 << 21
_SMALL: Final = 64
_DEEPEST: Final = 64
_SPREAD: Final = 2.576
"""Two-sided 99 % of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class DeviceCheck:
    """A stage that takes 20 ms, times the device's slowdown: keeping a core busy, or asleep."""

    device: str
    slowdown: float
    how: Literal["spin", "sleep"]
    depth = 1

    @property
    def where(self) -> str:
        return self.device

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.device,)

    @property
    def requests(self) -> int:
        return _requests_in(self._true_s)

    def bundle(self, folder: Path) -> Bundle:
        """A null model of one node."""
        return export_null(folder, [_SMALL, _SMALL], samples=2)

    def cell(self, bundle: Bundle, network: str, shaping: str) -> Cell:
        planted = planted_text({self.device: PlantedDevice(node_ms=_PLANTED_MS, how=self.how)})
        return cell_of(bundle, [self.device], [], Settings(depth=1, planted=planted))

    def finding(self, trial: Trial) -> Finding:
        compute_s = float(trial.records[0]["compute_s"].mean())
        return Finding(
            what="a stage that computes takes" if self.how == "spin" else "a stage that sleeps takes",
            where=self.where,
            unit="ms",
            measured=1e3 * compute_s,
            true=1e3 * self._true_s,
            allowed=_ALLOWED,
        )

    @property
    def _true_s(self) -> float:
        return _PLANTED_MS / 1e3 * self.slowdown


@dataclass(frozen=True)
class _LinkCheck:
    """Requests from one device to another, whose results are small."""

    sender: str
    receiver: str
    there: Direction
    back: Direction

    @property
    def where(self) -> str:
        return f"{self.sender} -> {self.receiver}"

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.sender, self.receiver)

    @property
    def values(self) -> int:
        """Values of a request: on their way for 10 ms where the link has a rate."""
        if self.there.rate_mbit is None:
            return _SMALL
        return min(max(_SMALLEST, int(self.there.rate_mbit * 1e6 / 8 * _SENT_S / 4)), _LARGEST)

    def bundle(self, folder: Path) -> Bundle:
        """A null model of one node that takes as many values and returns few."""
        return export_null(folder, [self.values, _SMALL], samples=2)

    @property
    def sent_s(self) -> float:
        """On their way there; 0 without a rate."""
        return _on_the_way_s(self.values, self.there)

    @property
    def round_s(self) -> float:
        """There and back, of a request alone."""
        delay_s = (self.there.delay_ms + self.back.delay_ms) / 1e3
        return delay_s + self.sent_s + _on_the_way_s(_SMALL, self.back)

    def _cell(self, bundle: Bundle, network: str, shaping: str, depth: int) -> Cell:
        return cell_of(bundle, self.devices, [0], Settings(depth=depth), network=network, shaping=shaping)


@dataclass(frozen=True)
class RateCheck(_LinkCheck):
    """A link that always has something to send carries its rate."""

    @property
    def depth(self) -> int:
        return min(_DEEPEST, math.ceil(self.round_s / self.sent_s) + 2)

    @property
    def requests(self) -> int:
        return max(_requests_in(self.sent_s), 10 * self.depth) // self.depth * self.depth

    def cell(self, bundle: Bundle, network: str, shaping: str) -> Cell:
        return self._cell(bundle, network, shaping, self.depth)

    def finding(self, trial: Trial) -> Finding:
        rate_mbit = self.there.rate_mbit or math.nan
        measured_mbit = rate_mbit * self.sent_s / period_s(trial)
        return Finding(
            what="carries",
            where=self.where,
            unit="Mbit/s",
            measured=measured_mbit,
            true=rate_mbit,
            allowed=_ALLOWED,
        )


@dataclass(frozen=True)
class LatencyCheck(_LinkCheck):
    """A request alone takes both delays and its payload's time."""

    depth = 1

    @property
    def requests(self) -> int:
        return _requests_in(self.round_s)

    def cell(self, bundle: Bundle, network: str, shaping: str) -> Cell:
        return self._cell(bundle, network, shaping, 1)

    def finding(self, trial: Trial) -> Finding:
        return Finding(
            what="round trip takes",
            where=self.where,
            unit="ms",
            measured=1e3 * float(trial.endpoint["latency_s"].mean()),
            true=1e3 * self.round_s,
            allowed=_ALLOWED + (_FLOOR_S + self._jitter_s) / self.round_s,
        )

    @property
    def _jitter_s(self) -> float:
        """What the mean of uniform jitters may be off, with 99 % confidence."""
        ways = (self.there.jitter_ms, self.back.jitter_ms)
        return _SPREAD * math.hypot(*ways) / 1e3 / math.sqrt(3 * self.requests)


def _on_the_way_s(values: int, way: Direction) -> float:
    """Seconds that a request of so many values occupies a link, with what Ethernet, IP and TCP add."""
    if way.rate_mbit is None:
        return 0.0
    layout = LinkLayout([TensorSpec(name="t0", dtype="float32", shape=(1, values))])
    return ethernet_bytes(layout.frame_bytes) * 8 / (way.rate_mbit * 1e6)


def _requests_in(each_s: float) -> int:
    return max(_FEWEST, int(_CHECK_S / each_s))
