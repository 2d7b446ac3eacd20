"""Planted times: how long the null model's nodes take on a device, as an experiment states them.

The time of a stage is the sum over its nodes, so every split has a known truth.
"""

import functools
import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.errors import ExperimentError
from exporter.bundle import Bundle
from worker.wire.messages import PlantedPhase, PlantedTime

__all__ = ["Phase", "PlantedDevice", "Stalls", "check_planted", "planted_on", "planted_text", "planted_time"]

_Ms = Annotated[float, Meta(ge=0, le=60_000)]
_Factor = Annotated[float, Meta(ge=0, le=1e6)]
_Number = Annotated[float, Meta(ge=0, le=1e9)]
_MOST = 64


class Stalls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every `every`-th request takes `ms` longer."""

    every: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    ms: _Ms


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A part of a trial in which stages take `factor` times as long: from the first number to the second."""

    factor: _Factor
    requests: tuple[_Number, _Number] | None = None
    seconds: tuple[_Number, _Number] | None = None


class PlantedDevice(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """How long nodes take on a device.

    Attributes:
        node_ms: Of every node, or of each in the order of the graph; for a request of any batch.
        how: Whether a stage sleeps meanwhile, or keeps a core busy.
        modes: Factors of a stage's time with their weights, drawn for each request.
    """

    node_ms: _Ms | Annotated[tuple[_Ms, ...], Meta(min_length=1)]
    how: Literal["sleep", "spin"] = "sleep"
    modes: Annotated[tuple[tuple[_Factor, _Number], ...], Meta(max_length=_MOST)] = ()
    stalls: Stalls | None = None
    phases: Annotated[tuple[Phase, ...], Meta(max_length=_MOST)] = ()

    def stage_s(self, start: int, stop: int) -> float:
        """Seconds of the stage of nodes `[start, stop)`, without modes, stalls and phases."""
        if isinstance(self.node_ms, tuple):
            return math.fsum(self.node_ms[start:stop]) / 1e3
        return self.node_ms * (stop - start) / 1e3


def planted_text(planted: Mapping[str, PlantedDevice] | None) -> str | None:
    """Planted times by device as the setting of a cell: JSON, the same for the same times; None without."""
    return msgspec.json.encode(dict(planted), order="sorted").decode() if planted else None


def planted_on(text: str | None, devices: Collection[str]) -> str | None:
    """What of a setting concerns these devices."""
    return planted_text({name: known for name, known in _parse(text).items() if name in devices})


def planted_time(text: str | None, device: str, start: int, stop: int, *, seed: int) -> PlantedTime | None:
    """The time that a setting plants in a stage of nodes `[start, stop)`; None where the stage computes."""
    known = _parse(text).get(device)
    if known is None:
        return None
    return _time_of(known, start, stop, zlib.crc32(f"{seed}:{device}:{start}".encode()))


@functools.cache
def _parse(text: str | None) -> Mapping[str, PlantedDevice]:
    return msgspec.json.decode(text, type=dict[str, PlantedDevice]) if text else {}


def check_planted(
    planted: Mapping[str, PlantedDevice] | None, bundles: Sequence[Bundle], devices: Sequence[str]
) -> None:
    """Check planted times against models and devices.

    Raises:
        ExperimentError: A model computes, or has another number of nodes; a device is unknown; a phase has
            no unit, or two.
    """
    for bundle in bundles:
        if planted and not bundle.is_null:
            raise ExperimentError(
                f"key 'planted': {bundle.manifest.model} computes, and planted times are for the null model "
                f"alone; make it with: python -m exporter null"
            )
    for name, device in (planted or {}).items():
        if name not in devices:
            raise ExperimentError(
                f"key 'planted.{name}': no chain has a device {name!r}; its devices are {', '.join(devices)}"
            )
        for bundle in bundles:
            if isinstance(device.node_ms, tuple) and len(device.node_ms) != bundle.node_count:
                raise ExperimentError(
                    f"key 'planted.{name}.node_ms' lists {len(device.node_ms)} times, but "
                    f"{bundle.path.name} has {bundle.node_count} nodes"
                )
        for phase in device.phases:
            if (phase.requests is None) == (phase.seconds is None):
                raise ExperimentError(
                    f"key 'planted.{name}.phases': a phase has either 'requests' or 'seconds'"
                )


def _time_of(device: PlantedDevice, start: int, stop: int, seed: int) -> PlantedTime:
    return PlantedTime(
        seconds=device.stage_s(start, stop),
        how=device.how,
        modes=device.modes,
        stall_every=device.stalls.every if device.stalls else 0,
        stall_s=device.stalls.ms / 1e3 if device.stalls else 0.0,
        phases=tuple(map(_phase_of, device.phases)),
        seed=seed,
    )


def _phase_of(phase: Phase) -> PlantedPhase:
    if phase.requests is not None:
        start, stop = phase.requests
        return PlantedPhase(unit="requests", start=start, stop=stop, factor=phase.factor)
    start, stop = phase.seconds or (0.0, 0.0)
    return PlantedPhase(unit="seconds", start=start, stop=stop, factor=phase.factor)
