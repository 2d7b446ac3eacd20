"""The figures of a cell in a closed loop, beside their truths."""

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.truth.compared import Compared, Row, exact, name, number, pairs, share
from benchmarks.truth.physics import Truth
from controller.results import Cell
from controller.results.metrics import SAMPLES_NEEDED

__all__ = ["cell_figures", "part_figures", "stage_figures"]

_CPU_ALLOWED = 0.05
# A few late requests are the slowest ones.
_LATE = {"p50": 1.0, "p90": 4.0, "p95": 8.0, "p99": 30.0}
_MOST_ERROR = 1e-4


def cell_figures(
    where: str, cell: Cell, truth: Truth, row: Row, *, trials: int, requests: int
) -> Iterator[Compared]:
    """What `cells.csv` says of a cell.

    Args:
        trials: Those that the experiment asks for.
        requests: Those of each trial that count.
    """
    yield exact(where, "trials", row.get("trials"), trials)
    yield exact(where, "requests", row.get("requests"), trials * requests)
    yield exact(where, "overloaded trials", row.get("overloaded"), 0)
    yield from _bytes(where, truth, row)
    if cell.codec == "none":
        yield share(where, "worst error", row.get("worst_error"), 0.0, allowed=_MOST_ERROR)
    if truth.latency_s is None or truth.throughput_per_s is None:
        return
    late = truth.late
    yield number(where, "latency mean", row.get("latency_mean_s"), truth.latency_s, per_late_s=late)
    yield number(where, "throughput", row.get("throughput_per_s"), truth.throughput_per_s, per_late_s=late)
    for quantile, true_s in truth.quantiles_s.items():
        if requests >= SAMPLES_NEEDED[quantile]:
            reported = row.get(f"latency_{quantile}_s")
            yield number(where, f"latency {quantile}", reported, true_s, per_late_s=_LATE[quantile] * late)
    for figure in ("source_s", "prepare_s"):
        yield share(where, figure, row.get(figure), 0.0, of=truth.latency_s, per_late_s=late)
    if truth.has_slow_phase or truth.is_regular:
        unstable = trials if truth.has_slow_phase else 0
        yield number(where, "unstable trials", row.get("unstable"), unstable, per_late_s=late * trials / 0.1)
    yield from _shares(where, cell, truth, row)


def _bytes(where: str, truth: Truth, row: Row) -> Iterator[Compared]:
    yield exact(where, "payload bytes", row.get("payload_bytes"), truth.payload_bytes)
    yield exact(where, "encoded bytes", row.get("encoded_bytes"), truth.encoded_bytes)
    for column, true in (("payload", truth.link_payload_bytes), ("encoded", truth.link_encoded_bytes)):
        listed = ";".join(f"{each:.6g}" for each in true)
        reported = row.get(f"link_{column}_bytes")
        rounded = None if reported is None else ";".join(f"{float(n):.6g}" for n in reported.split(";") if n)
        yield name(where, f"link {column} bytes", rounded, listed)


def _shares(where: str, cell: Cell, truth: Truth, row: Row) -> Iterator[Compared]:
    """Shares of the time."""
    assert truth.latency_s is not None
    assert truth.throughput_per_s is not None
    late = truth.late
    if cell.depth == 1:
        network = truth.network_s / truth.latency_s
        yield share(where, "network share", row.get("network_share"), network, per_late_s=late)
        yield share(
            where, "network time", row.get("network_s"), truth.network_s, of=truth.latency_s, per_late_s=late
        )
    per_s = truth.throughput_per_s / cell.batch
    for stage, seconds in truth.stages_s.items():
        in_use = seconds * per_s
        figures = {"occupied": in_use}
        # Busy goes by the time alone, which has no phases.
        if truth.is_regular:
            figures |= {"busy": in_use, "bubble": 1 - in_use}
        for figure, true in figures.items():
            reported = pairs(row.get(figure)).get(stage)
            nullable = figure != "occupied"
            yield share(where, f"{figure} of {stage}", reported, true, per_late_s=late, nullable=nullable)
    for way, seconds in truth.links_s.items():
        true = seconds * per_s
        most, least = (pairs(row.get(column)).get(way) for column in ("link_use", "link_use_least"))
        if cell.shaping != "emulated":
            # The kernel's account gives bounds.
            most, least = most and str(min(true, float(most))), least and str(max(true, float(least)))
        yield share(where, f"use of {way}, at most", most, true, per_late_s=late)
        yield share(where, f"use of {way}, at least", least, true, per_late_s=late)
    if cell.depth > 1 and truth.is_saturated:
        reported = row.get("bottleneck")
        yield name(where, "bottleneck", reported, truth.bottleneck, per_late_s=late, nullable=True)


def stage_figures(where: str, truth: Truth, rows: Sequence[Row]) -> Iterator[Compared]:
    """What `device_metrics.csv` says of the stages of a cell: means over its trials."""
    for position, (stage, seconds) in enumerate(truth.stages_s.items(), start=1):
        own = [row for row in rows if row["stage"] == str(position)]
        of_stage, late = f"{where}, {stage}", truth.late
        yield number(of_stage, "stage compute", _mean(own, "compute_s"), seconds, per_late_s=late)
        if not truth.is_regular:
            continue
        alone_s = _mean([row for row in own if row["compute_alone_s"]], "compute_alone_s")
        yield number(of_stage, "time alone", alone_s, seconds, per_late_s=late, nullable=True)
        if stage in truth.spins and truth.is_saturated:
            percent = _mean(own, "process_cpu_percent")
            yield share(
                of_stage, "processor share", percent, 100.0, of=100.0, allowed=_CPU_ALLOWED, per_late_s=late
            )


def part_figures(where: str, truth: Truth, row: Row) -> Iterator[Compared]:
    """Where the time of a request goes, alone in its pipeline, as `parts.csv` says."""
    if truth.latency_s is None:
        return
    late = truth.late
    yield number(where, "time of all parts", row.get("total_s"), truth.latency_s, per_late_s=late)
    for part, true in (("network", truth.network_s), ("source", 0.0)):
        reported = row.get(f"{part}_s")
        yield share(where, f"{part} part", reported, true, of=truth.latency_s, per_late_s=late)
    for stage, seconds in truth.stages_s.items():
        for part, true in (("compute", seconds), ("wait", 0.0), ("codec", 0.0)):
            reported = pairs(row.get(f"{part}_s")).get(stage)
            yield share(where, f"{part} part of {stage}", reported, true, of=truth.latency_s, per_late_s=late)


def _mean(rows: Sequence[Row], column: str) -> float | None:
    values = [float(row[column]) for row in rows if row.get(column)]
    return statistics.fmean(values) if values and len(values) == len(rows) else None
