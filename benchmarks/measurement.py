"""The interface of the benchmark's measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.local_workers import Fleet
from exporter.bundle import Bundle

__all__ = ["Bench", "Measurement"]


@dataclass(frozen=True)
class Bench:
    """The resources that measurements share.

    Attributes:
        cores: One for each device.
        bundles: By name, all that the measurements need.
        fleet: Workers that run throughout.
    """

    cores: Sequence[int]
    bundles: Mapping[str, Bundle]
    fleet: Fleet


class Measurement(Protocol):
    """Measures some figures once a round; the rounds of all measurements are interleaved."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of its figures."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the bundles it needs."""

    @property
    def most_rounds(self) -> int | None:
        """The number of rounds that suffice; None for all."""

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Run one round; returns the figures by key."""
