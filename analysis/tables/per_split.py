"""A row a split: how the work is shared, and what the pipeline could gain and does."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.data.splits import equal_cuts
from analysis.data.sweep import OFFLINE, Baseline, CellResult, Sweep
from analysis.errors import ResultsError
from analysis.fronts.fronts import Point
from analysis.statistics.blocks import times
from analysis.statistics.estimates import NOTHING, estimate
from analysis.study import Group, Study
from analysis.tables.cells import cell_columns
from controller.results import Cell
from controller.statistics.series import Fitted, fitted

__all__ = ["SPLIT_COLUMNS", "split_rows"]

_SPEEDUPS = ("sequential", "one_device", "named")
SPLIT_COLUMNS = (
    *("model", "bundle_name", "network", "where", "cuts", "devices", "depth", "batch", "codec"),
    *("topology", "backend"),
    *("shares", "load_balance"),
    *(
        column
        for name in _SPEEDUPS
        for column in (f"limit_{name}", f"speedup_{name}", f"speedup_{name}_low", f"speedup_{name}_high")
    ),
    *("one_device", "named", "cell"),
)


def split_rows(study: Study, named: str = "") -> list[dict[str, Any]]:
    """Every split that was run at depth 1 and at a greater depth, in the order of cuts.

    Args:
        named: Id of a cell, or where a split cuts, to be compared with; nothing: the equal split.

    Raises:
        ResultsError: There is no cell of that name.
    """
    sweep, rows = study.sweep, []
    if named and not any(named in (r.cell.id, r.split.where) for r in sweep.cells):
        raise ResultsError(f"--against {named}: {sweep.path} has no such split or cell; cells.csv lists them")
    for group in study.groups:
        results = {r.cell.id: r for r in group.cells}
        deep = {r.cell.split_id for r in group.cells if r.trials and r.cell.depth > 1}
        points = [p for p in group.capability.points if p.cell.split_id in deep]
        fit = _fit_rates(group, sweep)
        for p in sorted(points, key=lambda p: (p.cell.devices, p.cell.cuts, p.cell.batch, p.cell.codec)):
            other = _named(sweep, p, points, named)
            row = cell_columns(results[p.cell.id], group.title)
            row |= _row(p, results, _baseline(group.baselines, p.cell), other, fit)
            rows.append({column: row[column] for column in SPLIT_COLUMNS})
    return rows


def _fit_rates(group: Group, sweep: Sweep) -> Fitted | None:
    cells = [r.series("throughput") for r in group.cells if r.trials and r.cell.load == OFFLINE]
    baselines = [baseline.series("throughput") for baseline in group.baselines]
    level = sweep.wanted.level_of_pair
    return fitted([*cells, *baselines], maximise=True, seed=sweep.seed, level=level)


def _stages_s(result: CellResult) -> list[float]:
    """Seconds of each stage alone for one batch, from its busy share; none where one is unknown."""
    trials = (
        [None if hop.busy is None else hop.busy * result.cell.batch / t.throughput_per_s for hop in t.hops]
        for t in result.trials
    )
    medians = [estimate(each).value for each in zip(*trials, strict=True)]
    known = [seconds for seconds in medians if seconds is not None]
    return known if len(known) == len(medians) else []


def _row(
    p: Point,
    results: Mapping[str, CellResult],
    baseline: Baseline | None,
    other: Point | None,
    fit: Fitted | None,
) -> dict[str, Any]:
    deep, alone = results[p.cell.id], results[p.latency_cell.id]
    seconds = _stages_s(deep)
    total, slowest = sum(seconds), max(seconds, default=0.0)
    stages = zip((hop.stage for hop in deep.trials[0].hops), seconds, strict=False)
    rate = deep.series("throughput")
    one_device = times(fit, rate, baseline.series("throughput")) if baseline else NOTHING
    alone_s = baseline.latency.value if baseline else None
    named, limit_named = NOTHING, None
    if other:
        named = times(fit, rate, results[other.cell.id].series("throughput"))
        theirs = max(_stages_s(results[other.cell.id]), default=0.0) / other.cell.batch
        own = slowest / p.cell.batch
        limit_named = theirs / own if own and theirs else None
    return {
        "shares": ";".join(f"{stage}={s / total if total else 0:.4f}" for stage, s in stages),
        "load_balance": total / len(seconds) / slowest if slowest else None,
        "limit_sequential": total / slowest if slowest else None,
        **times(fit, rate, alone.series("throughput")).bounds("speedup_sequential"),
        "limit_one_device": alone_s / slowest if alone_s and slowest else None,
        **one_device.bounds("speedup_one_device"),
        "one_device": baseline.device if baseline else None,
        "limit_named": limit_named,
        **named.bounds("speedup_named"),
        "named": other.split.where if other else None,
    }


def _named(sweep: Sweep, p: Point, points: list[Point], named: str) -> Point | None:
    if named:
        candidates = [q for q in points if named in (q.cell.id, q.split.where)]
    else:
        cuts = equal_cuts(sweep.manifests[p.cell.bundle], len(p.cell.devices))
        candidates = [q for q in points if q.cell.cuts == cuts]
    # The first of those that are most alike.
    return max(candidates, key=lambda q: _likeness(p.cell, q.cell), default=None)


def _likeness(one: Cell, other: Cell) -> tuple[bool, ...]:
    """What two cells have in common beside their cuts, the most telling first."""
    names = ("threads", "codec", "topology", "backend", "prefetch")
    return (
        (one.devices, one.batch) == (other.devices, other.batch),
        *(getattr(one, name) == getattr(other, name) for name in names),
    )


def _baseline(baselines: Sequence[Baseline], cell: Cell) -> Baseline | None:
    """Of the first device, where inputs are born."""
    matching = (
        b
        for b in baselines
        if (b.device, b.batch) == (cell.devices[0], cell.batch) and cell.threads in (None, b.threads)
    )
    return next(matching, None)
