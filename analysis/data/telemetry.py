"""Telemetry of the devices over the trials of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.data.sweep import Sweep
from controller.results import Cell, Results

__all__ = [
    "Moment",
    "moments",
]

# What a device tells: unit that is shown, factor to it, and whether the mean or the most of a trial counts.
_TOLD = {
    "process_cpu_percent": ("worker, % of a core", 1.0, "mean"),
    "host_cpu_percent": ("host, % of all cores", 1.0, "mean"),
    "process_rss_bytes": ("worker's memory, MB", 1e-6, "most"),
    "frequency_mhz": ("clock, MHz", 1.0, "mean"),
    "temperature_c": ("temperature, °C", 1.0, "most"),
    "gpu_power_w": ("GPU, W", 1.0, "mean"),
}

_MOST_TRIALS = 300


@dataclass(frozen=True)
class Moment:
    """One figure of one device during one trial of a cell."""

    cell: Cell
    model: str
    minutes: float
    device: str
    name: str
    value: float


def moments(sweep: Sweep) -> list[Moment]:
    """A moment for each trial, device and thing that it told, in minutes since the first trial.

    Of a long sweep every n-th trial only: the figure shows the course of things, not each trial.
    """
    cells = {r.cell.id: r.cell for r in sweep.cells}
    with Results.open(sweep.path) as store:
        trials = [
            (t.id, cells[t.cell], datetime.fromisoformat(t.started_at))
            for t in store.trials()
            if t.cell in cells
        ]
        shown = trials[:: max(1, len(trials) // _MOST_TRIALS)]
        begun = min((at for *_, at in shown), default=None)
        found = []
        for trial, cell, at in shown:
            samples: dict[str, list[Mapping[str, Any]]] = {}
            for device, sample in store.telemetry(trial):
                samples.setdefault(device, []).append(sample)
            minutes = (at - begun).total_seconds() / 60 if begun else 0.0
            for device, told in samples.items():
                # The first is of before the trial: what it shows is what the device did then.
                told_of = cell, sweep.title(cell.bundle), minutes, device
                found += [Moment(*told_of, *row) for row in _summary(told[1:])]
    return found


def _summary(samples: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    rows = []
    for key, (name, factor, how) in _TOLD.items():
        values = [float(s[key]) for s in samples if s.get(key) is not None]
        if values:
            rows.append((name, factor * (max(values) if how == "most" else sum(values) / len(values))))
    return rows
