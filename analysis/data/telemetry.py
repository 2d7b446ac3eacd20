"""Telemetry of the devices over the trials of a sweep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.results import Cell

__all__ = ["SHOWN", "Moment", "TrialTelemetry", "moments", "summary"]

# By sample key: name and unit in the figure, factor to that unit, and whether the mean or the maximum of a
# trial counts.
SHOWN = {
    "process_cpu_percent": ("worker, % of a core", 1.0, "mean"),
    "host_cpu_percent": ("host, % of all cores", 1.0, "mean"),
    "process_rss_bytes": ("worker's memory, MB", 1e-6, "max"),
    "frequency_mhz": ("clock, MHz", 1.0, "mean"),
    "temperature_c": ("temperature, °C", 1.0, "max"),
    "gpu_power_w": ("GPU, W", 1.0, "mean"),
}

_MOST_TRIALS = 300


@dataclass(frozen=True)
class TrialTelemetry:
    """What the devices reported during one trial: device, name and value of each figure."""

    cell: Cell
    started_at: datetime
    figures: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Moment:
    """One figure of one device during one trial of a cell."""

    cell: Cell
    minutes: float
    device: str
    name: str
    value: float


def summary(samples: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[tuple[str, str, float], ...]:
    """Device, name and value of every figure that some device reported during a trial.

    Args:
        samples: Device and sample, in time order. A device's first sample precedes the trial and is skipped.
    """
    by_device: dict[str, list[Mapping[str, Any]]] = {}
    for device, sample in samples:
        by_device.setdefault(device, []).append(sample)
    figures = []
    for device, reported in by_device.items():
        for key, (name, factor, how) in SHOWN.items():
            values = [float(s[key]) for s in reported[1:] if s.get(key) is not None]
            if values:
                value = max(values) if how == "max" else sum(values) / len(values)
                figures.append((device, name, factor * value))
    return tuple(figures)


def moments(trials: Sequence[TrialTelemetry]) -> tuple[Moment, ...]:
    """A moment for each figure of each trial, in minutes since the first trial.

    A long sweep is thinned to every n-th trial: the figure shows trends, not single trials.
    """
    shown = trials[:: max(1, len(trials) // _MOST_TRIALS)]
    if not shown:
        return ()
    start = min(trial.started_at for trial in shown)
    return tuple(
        Moment(trial.cell, (trial.started_at - start).total_seconds() / 60, *figure)
        for trial in shown
        for figure in trial.figures
    )
