"""Telemetry of the devices over the trials of a sweep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from analysis.data.trial_metrics import rows_of_requests
from controller.results import Cell, Trial

__all__ = ["SHOWN", "Moment", "TrialTelemetry", "mean_during", "moments", "shown_every", "span_on", "summary"]

# By sample key: name and unit in the figure, factor to that unit, and whether the mean or the maximum of a
# trial counts.
SHOWN = {
    "process_cpu_percent": ("worker, % of a core", 1.0, "mean"),
    "host_cpu_percent": ("host, % of all cores", 1.0, "mean"),
    "process_memory_bytes": ("worker's memory, MB", 1e-6, "max"),
    "frequency_mhz": ("clock, MHz", 1.0, "mean"),
    "temperature_c": ("temperature, °C", 1.0, "max"),
    "gpu_power_w": ("GPU, W", 1.0, "mean"),
}

_MOST_TRIALS = 300
"""A longer sweep is thinned to every n-th trial: the figure shows trends, not single trials."""


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


def summary(
    samples: Iterable[tuple[str, Mapping[str, Any]]], trial: Trial, cell: Cell
) -> tuple[tuple[str, str, float], ...]:
    """Device, name and value of every figure that some device reported during a trial of the cell.

    Args:
        samples: Device and sample, in time order. A device's first sample is of the moment before the trial.
    """
    by_device: dict[str, list[Mapping[str, Any]]] = {}
    for device, sample in samples:
        by_device.setdefault(device, []).append(sample)
    figures = []
    for device, reported in by_device.items():
        span = span_on(device, trial, cell)
        for key, (name, factor, how) in SHOWN.items():
            if how == "max":
                value = max((float(s[key]) for s in reported[1:] if s.get(key) is not None), default=None)
            else:
                value = mean_during(reported, key, span)
            if value is not None:
                figures.append((device, name, factor * value))
    return tuple(figures)


def span_on(device: str, trial: Trial, cell: Cell) -> tuple[float, float] | None:
    """When a device worked on the requests that count, on its own clock; None where it recorded none.

    What comes before is set-up: warming up, filling the pipeline. What comes after is the records' transfer.
    """
    if cell.source == "first" and device == cell.devices[0]:
        ended_s = float(trial.endpoint["finished_at_s"].max())
        return ended_s - trial.elapsed_s, ended_s
    began, ended = [], []
    for hop, records in zip(trial.hops, trial.records, strict=True):
        if hop.device == device:
            rows = rows_of_requests(trial, records)
            left_s = sum(rows[name] for name in ("compute_s", "encode_s", "wait_send_s", "send_s"))
            began.append(float(rows["received_at_s"].min()))
            ended.append(float((rows["compute_at_s"] + left_s).max()))
    return (min(began), max(ended)) if began else None


def mean_during(
    samples: Sequence[Mapping[str, Any]], key: str, span: tuple[float, float] | None
) -> float | None:
    """Mean of a figure over a span of the device's clock; None where no sample tells.

    A sample stands for the time since the one before, as far as that lies in the span: so the first one
    stands for none.

    Args:
        span: From when to when; None: from the first sample to the last.
    """
    start_s, stop_s = span or (samples[0]["at_s"], samples[-1]["at_s"]) if samples else (0.0, 0.0)
    total = weight_s = 0.0
    for before, sample in pairwise(samples):
        if sample.get(key) is not None:
            stands_for_s = max(0.0, min(sample["at_s"], stop_s) - max(before["at_s"], start_s))
            total += stands_for_s * float(sample[key])
            weight_s += stands_for_s
    return total / weight_s if weight_s else None


def shown_every(trials: int) -> int:
    """Of so many trials, every how many-th the figure shows."""
    return max(1, trials // _MOST_TRIALS)


def moments(shown: Sequence[TrialTelemetry]) -> tuple[Moment, ...]:
    """A moment for each figure of each trial that is shown, in minutes since the first one."""
    if not shown:
        return ()
    start = min(trial.started_at for trial in shown)
    return tuple(
        Moment(trial.cell, (trial.started_at - start).total_seconds() / 60, *figure)
        for trial in shown
        for figure in trial.figures
    )
