"""Reported figures beside true ones, from the files that `analysis report` and `export` write."""

import csv
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller.experiment.resolve import ResolvedExperiment
from controller.results import Cell
from controller.truth.physics import Truth, truth_of

__all__ = ["ALLOWED", "Compared", "compare"]

ALLOWED: Final = 0.02
"""How far a figure of a closed loop may be off."""

_Row = Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """A figure of a cell, reported and true.

    Attributes:
        error: Relative, of shares the difference; of names 0 or infinite, as of what is missing.
    """

    cell: str
    figure: str
    reported: float | str | None
    true: float | str
    error: float

    @property
    def holds(self) -> bool:
        """Whether it is as near to the truth as a figure must be."""
        return abs(self.error) <= ALLOWED


def compare(
    resolved: ResolvedExperiment,
    report: Path,
    export: Path,
    answers: Mapping[str, Sequence[Mapping[str, Any]]],
    slowdowns: Mapping[str, float],
    burst_bytes: Mapping[str, float] | None = None,
) -> list[Compared]:
    """Compare all figures of a finished sweep that have a truth.

    Args:
        report: The folder that `analysis report` wrote.
        export: The folder that `analysis export` wrote.
        answers: By objective, what `analysis best --json` printed.
        slowdowns: By device.
        burst_bytes: By device, what its link passes at once after a pause.
    """
    reported = {row["cell"]: row for row in _read(report / "cells.csv")}
    stages: dict[str, list[_Row]] = {}
    for row in _read(export / "device_metrics.csv"):
        stages.setdefault(row["cell"], []).append(row)
    compared: list[Compared] = []
    for name, cells in resolved.cells.items():
        truths = {}
        for cell in cells:
            first = max(resolved.experiment.warmup, cell.depth)
            truths[cell] = truth = truth_of(
                cell,
                resolved.bundles[cell.bundle],
                resolved.lab,
                resolved.networks[name],
                requests=range(first, first + resolved.experiment.requests_of(cell)),
                slowdowns=slowdowns,
                burst_bytes=burst_bytes or {},
            )
            where = f"{name}, {cell.label}, depth {cell.depth}"
            compared += _cell_figures(where, cell, truth, reported.get(cell.id, {}))
            compared += _stage_figures(where, cell, truth, stages.get(cell.id, []))
        for objective, of_objective in answers.items():
            answer = next((a for a in of_objective if a["network"] == name), None)
            compared += _answer(name, objective, truths, answer)
    return compared


def _cell_figures(where: str, cell: Cell, truth: Truth, row: _Row) -> Iterator[Compared]:
    if truth.latency_s is not None and truth.throughput_per_s is not None:
        yield _number(where, "latency mean", row.get("latency_mean_s"), truth.latency_s)
        yield _number(where, "throughput", row.get("throughput_per_s"), truth.throughput_per_s)
    if truth.latency_s is not None and truth.is_regular:
        yield _number(where, "latency p50", row.get("latency_p50_s"), truth.latency_s)
    yield _number(where, "payload bytes", row.get("payload_bytes"), truth.payload_bytes)
    if truth.latency_s is not None and cell.depth == 1:
        share = truth.network_s / truth.latency_s
        yield _share(where, "network share", row.get("network_share"), share)
    if truth.throughput_per_s is not None:
        busy = dict(part.split("=") for part in row.get("busy", "").split(";") if part)
        for stage, seconds in truth.stages_s.items():
            true = seconds * truth.throughput_per_s / cell.batch
            # Busy goes by the time alone, which has no phases.
            if truth.is_regular:
                yield _share(where, f"busy of {stage}", busy.get(stage), true)
        use = dict(part.split("=") for part in row.get("link_use", "").split(";") if part)
        for way, seconds in truth.links_s.items():
            yield _share(where, f"use of {way}", use.get(way), seconds * truth.throughput_per_s / cell.batch)
    saturated = truth.throughput_per_s == cell.batch / truth.period_s
    if saturated and cell.depth > 1:
        yield _name(where, "bottleneck", row.get("bottleneck"), truth.bottleneck)


def _stage_figures(where: str, cell: Cell, truth: Truth, rows: Sequence[_Row]) -> Iterator[Compared]:
    for position, (stage, seconds) in enumerate(truth.stages_s.items(), start=1):
        own = [row for row in rows if row["stage"] == str(position)]
        figures = {"stage compute": "compute_s"}
        if truth.is_regular:
            figures["time alone"] = "compute_alone_s"
        for figure, column in figures.items():
            values = [float(row[column]) for row in own]
            mean = str(statistics.fmean(values)) if values else None
            yield _number(f"{where}, {stage}", figure, mean, seconds)


def _answer(
    network: str, objective: str, truths: Mapping[Cell, Truth], answer: Mapping[str, Any] | None
) -> Iterator[Compared]:
    """The best split and its figure: latency at depth 1, throughput at the greatest depth."""
    depths = [cell.depth for cell in truths]
    if len({cell.cuts for cell in truths}) < 2 or not all(truth.is_regular for truth in truths.values()):
        return
    if objective == "latency":
        alone = {cell: t.latency_s or math.inf for cell, t in truths.items() if cell.depth == min(depths)}
        best = min(alone, key=lambda cell: alone[cell])
        true, key = alone[best], "latency_p50_s"
    else:
        full = {cell: t.throughput_per_s or 0.0 for cell, t in truths.items() if cell.depth == max(depths)}
        best = max(full, key=lambda cell: full[cell])
        true, key = full[best], "throughput_per_s"
    cuts = None if answer is None else ",".join(map(str, answer["cuts"]))
    yield _name(network, f"best cut, {objective}", cuts, ",".join(map(str, best.cuts)))
    value = None if answer is None else answer[key]["value"]
    yield _number(network, f"best {objective}", None if value is None else str(value), true)


def _number(where: str, figure: str, text: str | None, true: float) -> Compared:
    value = _parse(text)
    if value is None:
        return Compared(where, figure, None, true, math.inf)
    error = value / true - 1 if true else value
    return Compared(where, figure, value, true, error)


def _share(where: str, figure: str, text: str | None, true: float) -> Compared:
    value = _parse(text)
    return Compared(where, figure, value, true, math.inf if value is None else value - true)


def _name(where: str, figure: str, text: str | None, true: str) -> Compared:
    return Compared(where, figure, text, true, 0.0 if text == true else math.inf)


def _parse(text: str | None) -> float | None:
    return float(text) if text else None


def _read(path: Path) -> list[_Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
