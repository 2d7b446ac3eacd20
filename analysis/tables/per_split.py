"""A row a split: how the work is shared, and what the pipeline could gain and does."""

from typing import Any

from analysis.data.splits import equal_cuts
from analysis.data.sweep import Baseline, CellResult, Sweep
from analysis.data.trial_metrics import TrialMeasures
from analysis.errors import ResultsError
from analysis.fronts.fronts import Point, capability, resampling_of
from analysis.statistics.bootstrap import Resampling, factor
from analysis.statistics.estimates import NOTHING, Estimate, estimate
from controller.results import Cell

__all__ = ["SPLIT_COLUMNS", "split_rows"]

_SPEEDUPS = ("sequential", "one_device", "named")
SPLIT_COLUMNS = (
    *("model", "network", "where", "cuts", "devices", "depth", "batch", "codec", "topology", "backend"),
    *("shares", "load_balance"),
    *(
        column
        for name in _SPEEDUPS
        for column in (f"limit_{name}", f"speedup_{name}", f"speedup_{name}_low", f"speedup_{name}_high")
    ),
    *("one_device", "named", "cell"),
)


def split_rows(sweep: Sweep, named: str = "") -> list[dict[str, Any]]:
    """Every split that was run at depth 1 and at a greater depth, in the order of cuts.

    Args:
        named: Id of a cell, or where a split cuts, to be compared with; nothing: the equal split.

    Raises:
        ResultsError: There is no cell of that name.
    """
    if named and not any(named in (r.cell.id, r.split.where) for r in sweep.cells):
        raise ResultsError(f"--against {named}: {sweep.path} has no such split or cell; cells.csv lists them")
    rows = []
    for bundle, network in sweep.groups():
        results = {r.cell.id: r for r in sweep.of(bundle, network.name)}
        points = [p for p in capability(sweep, bundle, network.name) if p.cell.depth > 1]
        resampling = resampling_of(sweep, network.name)
        for p in sorted(points, key=lambda p: (p.cell.devices, p.cell.cuts, p.cell.batch, p.cell.codec)):
            other = _named(sweep, p, points, named)
            baseline = _baseline(sweep, p)
            rows.append(
                _row(p, results[p.cell.id], results[p.latency_cell.id], baseline, resampling)
                | _against_named(p, other, results, resampling)
            )
    return rows


def stage_s(trial: TrialMeasures, batch: int) -> list[float]:
    """Seconds of each stage alone for one batch, from its busy share."""
    return [hop.busy * batch / trial.throughput_per_s for hop in trial.hops]


def _row(
    p: Point, deep: CellResult, alone: CellResult, baseline: Baseline | None, resampling: Resampling
) -> dict[str, Any]:
    cell = p.cell
    trials = [stage_s(t, cell.batch) for t in deep.trials]
    seconds = [estimate(each).value or 0.0 for each in zip(*trials, strict=True)]
    total, slowest = sum(seconds), max(seconds)
    stages = [hop.stage for hop in deep.trials[0].hops]
    drawn = resampling.draws(deep.throughput, "throughput", deep.cell.id)
    sequential = factor(
        deep.throughput,
        alone.throughput,
        drawn / resampling.draws(alone.throughput, "throughput", alone.cell.id),
    )
    one = NOTHING
    if baseline is not None:
        one = factor(
            deep.throughput,
            baseline.throughput,
            drawn / resampling.draws(baseline.throughput, "throughput", baseline.key),
        )
    alone_s = baseline.latency.value if baseline else None
    return {
        "model": cell.model,
        "network": cell.network,
        "where": p.split.where,
        "cuts": ";".join(map(str, cell.cuts)),
        "devices": ";".join(cell.devices),
        "depth": cell.depth,
        "batch": cell.batch,
        "codec": cell.codec,
        "topology": cell.topology,
        "backend": cell.backend,
        "shares": ";".join(
            f"{stage}={s / total if total else 0:.4f}" for stage, s in zip(stages, seconds, strict=True)
        ),
        "load_balance": total / len(seconds) / slowest if slowest else None,
        "limit_sequential": total / slowest if slowest else None,
        **_bounds("sequential", sequential),
        "limit_one_device": alone_s / slowest if alone_s and slowest else None,
        **_bounds("one_device", one),
        "one_device": baseline.device if baseline else None,
        "cell": cell.id,
    }


def _against_named(
    p: Point, other: Point | None, results: dict[str, CellResult], resampling: Resampling
) -> dict[str, Any]:
    if other is None:
        return {"limit_named": None, **_bounds("named", NOTHING), "named": None}
    drawn = p.draws("throughput", resampling) / other.draws("throughput", resampling)
    slowest = [
        max(
            estimate(each).value or 0.0
            for each in zip(*(stage_s(t, q.cell.batch) for t in results[q.cell.id].trials), strict=True)
        )
        / q.cell.batch
        for q in (other, p)
    ]
    return {
        "limit_named": slowest[0] / slowest[1] if slowest[1] else None,
        **_bounds("named", factor(p.throughput, other.throughput, drawn)),
        "named": other.split.where,
    }


def _named(sweep: Sweep, p: Point, points: list[Point], named: str) -> Point | None:
    if named:
        found = [q for q in points if named in (q.cell.id, q.split.where)]
    else:
        cuts = equal_cuts(sweep.manifests[p.cell.bundle], len(p.cell.devices))
        found = [q for q in points if q.cell.cuts == cuts]
    # The first of those that are most alike.
    return max(found, key=lambda q: _likeness(p.cell, q.cell), default=None)


def _likeness(one: Cell, other: Cell) -> tuple[bool, ...]:
    """What two cells have in common beside their cuts, the most telling first."""
    names = ("threads", "codec", "topology", "backend", "prefetch")
    return (
        (one.devices, one.batch) == (other.devices, other.batch),
        *(getattr(one, name) == getattr(other, name) for name in names),
    )


def _baseline(sweep: Sweep, p: Point) -> Baseline | None:
    """Of the first device, where inputs are born."""
    cell = p.cell
    found = [
        b
        for b in sweep.baselines
        if (b.bundle, b.device, b.batch) == (cell.bundle, cell.devices[0], cell.batch)
        and cell.threads in (None, b.threads)
    ]
    return found[0] if found else None


def _bounds(name: str, figure: Estimate) -> dict[str, float | None]:
    return {
        f"speedup_{name}": figure.value,
        f"speedup_{name}_low": figure.low,
        f"speedup_{name}_high": figure.high,
    }
