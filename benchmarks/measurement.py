"""What a measurement of the benchmark is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.local_workers import Fleet
from exporter.bundle import Bundle

__all__ = ["Bench", "Measurement"]


@dataclass(frozen=True)
class Bench:
    """What measurements share.

    Attributes:
        cores: One for each device.
        bundles: By name; those that a measurement asked for are there.
        fleet: Workers that stand throughout.
    """

    cores: Sequence[int]
    bundles: Mapping[str, Bundle]
    fleet: Fleet


class Measurement(Protocol):
    """Gives values of some figures each time it is run; rounds of all measurements are interleaved."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The figures that it gives."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The bundles that it needs, by name."""

    @property
    def most_rounds(self) -> int | None:
        """How many rounds are enough; None: as many as there are."""

    def run(self, bench: Bench) -> Mapping[str, float]:
        """One round."""
