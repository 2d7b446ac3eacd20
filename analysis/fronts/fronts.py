"""The two fronts: what a split can do, and what one can have at once.

In a closed loop mean latency x throughput = depth (Little, "A proof for the queuing formula L = λW",
Operations Research 9, 1961), so at one depth the two are one variable and a front of one depth is one
point. Hence two fronts, each over all depths in its own way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from analysis.data.splits import Split
from analysis.data.sweep import OFFLINE, CellResult, Sweep
from analysis.fronts.capacity import capacity_of
from analysis.statistics.attainment import Surface, surfaces
from analysis.statistics.bootstrap import (
    Floats,
    Resampling,
    hypervolumes,
    nondominated,
    shares_nondominated,
)
from analysis.statistics.estimates import NOTHING, Estimate, interval
from analysis.statistics.objectives import Objective
from controller.results import TIMED, Cell, ReferenceBox
from controller.results.capability import capabilities

__all__ = ["Front", "FrontName", "Point", "best_by_devices", "front_of", "judged"]

FrontName = Literal["capability", "operating"]


@dataclass(frozen=True)
class Point:
    """A candidate of a front.

    Attributes:
        cell: Whose throughput it is; on the capability front that of the split's most throughput.
        latency_cell: Whose latency it is; on the capability front the split's depth-1 cell.
        latency: p50, seconds.
        throughput: Samples a second; on the capability front the split's capacity.
        is_bound: Throughput still rose with the depth: the capacity is at least this.
        limit: What the capacity cannot exceed, samples a second.
        accuracy: Of the chain, with its codecs.
        payload: Bytes a sample that its links carry, after the codecs.
        memory: Bytes of the worker that has most, at its fullest: without what it shares with others.
        on_front: No other candidate of its bundle and network is as good or better in every objective.
        probability: That it is on the front: the share of resamples in which it is. None with fewer than two
            trials.
    """

    front: FrontName
    cell: Cell
    latency_cell: Cell
    split: Split
    latency: Estimate
    throughput: Estimate
    accuracy: float | None = None
    payload: Estimate = NOTHING
    memory: Estimate = NOTHING
    on_front: bool = False
    probability: float | None = None
    is_bound: bool = False
    limit: float = math.inf

    @property
    def label(self) -> str:
        """Where it cuts, and on the operating front how deep."""
        if self.front == "capability":
            return self.split.where
        if self.cell.load != OFFLINE:
            return f"{self.split.where} · {self.cell.load}, depth {self.cell.depth}"
        return f"{self.split.where} · depth {self.cell.depth}"

    def figure(self, objective: Objective) -> Estimate:
        """The figure by which it is judged."""
        if objective == "accuracy":
            return Estimate(self.accuracy, None, None, 0, None)
        estimate: Estimate = getattr(self, objective)
        return estimate


@dataclass(frozen=True)
class Front:
    """The candidates of one bundle under one network, and how sure their front is.

    Attributes:
        objectives: By which points dominate one another.
        box: The worst latency and time a sample of ends and baselines.
        hypervolume: Share of the box from there to zero that the front dominates, in latency and time a
            sample alone; nothing without a box, or where the front is of other objectives.
        surfaces: What any, half and every trial attained, in latency and throughput.
    """

    name: FrontName
    objectives: tuple[Objective, ...]
    points: tuple[Point, ...] = field(repr=False)
    hypervolume: Estimate
    box: ReferenceBox | None = None
    surfaces: tuple[Surface, ...] = ()

    @property
    def members(self) -> list[Point]:
        """The points on it, by ascending latency and so, at one accuracy, by ascending throughput."""
        return sorted((p for p in self.points if p.on_front), key=lambda p: p.latency.value or 0.0)

    @property
    def drawable(self) -> bool:
        """Whether some point has a latency."""
        return any(p.latency.value is not None for p in self.points)


def front_of(
    sweep: Sweep, name: FrontName, bundle: str, network: str, box: ReferenceBox | None = None
) -> Front:
    """A front of one bundle under one network.

    On the capability front a point is a split: its unloaded latency (p50 at depth 1) and its capacity
    (`analysis.fronts.capacity`). A split whose depth-1 or deepest cell is missing or unfinished has no point.
    Cells under an open load are left out: their throughput is what was offered. On the operating front a
    point is a cell, with its own latency (p50) and its own throughput.

    Args:
        box: What its hypervolume is a share of, in place of the sweep's own box.
    """
    points = _candidates(sweep.of(bundle, network), name)
    box = box or sweep.box(bundle, network)
    dominance = sweep.dominance or _default(points, sweep.objectives)
    return judged(name, points, dominance, Resampling(sweep.seed), box)


def best_by_devices(points: Sequence[Point]) -> dict[int, Point]:
    """The capability of most throughput for each number of devices that compute."""
    best: dict[int, Point] = {}
    for p in points:
        count = len(set(p.split.computing))
        if p.throughput.value is not None and (
            count not in best or p.throughput.value > (best[count].throughput.value or 0.0)
        ):
            best[count] = p
    return dict(sorted(best.items()))


def _candidates(cells: Sequence[CellResult], name: FrontName) -> list[Point]:
    if name == "operating":
        return [_point(name, r, r) for r in cells if r.trials]
    results = {r.cell.id: r for r in cells if r.cell.load == OFFLINE}
    rates = {identity: r.throughput.value for identity, r in results.items()}
    points = []
    for split in capabilities([r.cell for r in results.values()], rates):
        fastest = results[split.fastest.id]
        capacity = capacity_of([results[cell.id] for cell in split.cells], fastest)
        point = _point(name, fastest, results[split.unloaded.id])
        points.append(replace(point, is_bound=capacity.is_bound, limit=capacity.limit))
    return points


def _point(front: FrontName, result: CellResult, unloaded: CellResult) -> Point:
    return Point(
        front,
        result.cell,
        unloaded.cell,
        result.split,
        unloaded.latency(),
        result.throughput,
        result.accuracy.chain if result.accuracy else None,
        result.payload,
        result.memory,
    )


def judged(
    name: FrontName,
    points: Sequence[Point],
    objectives: tuple[Objective, ...],
    resampling: Resampling,
    box: ReferenceBox | None,
) -> Front:
    """Mark the front among `points`, and say how sure it is.

    A point that lacks a figure (too few requests for its latency) cannot be compared and is on no front.

    Args:
        objectives: By which points dominate one another.
        box: What the hypervolume is a share of; without one there is none.
    """
    figures = np.array(
        [
            [p.figure(o).value if p.figure(o).value is not None else np.nan for o in objectives]
            for p in points
        ],
        dtype=np.float64,
    ).reshape(len(points), len(objectives))
    marks = nondominated(figures, objectives)
    drawn = np.array([[resampling.draws(p.figure(o)) for o in objectives] for p in points], dtype=np.float64)
    drawn = drawn.reshape(len(points), len(objectives), resampling.resamples).transpose(2, 0, 1)
    shares = shares_nondominated(drawn, objectives)
    marked = tuple(
        replace(p, on_front=bool(mark), probability=float(share) if _repeated(p, objectives) else None)
        for p, mark, share in zip(points, marks, shares, strict=True)
    )
    bands = surfaces([(p.latency, p.throughput) for p in points])
    dominated = NOTHING if box is None else _hypervolume(marked, figures, drawn, objectives, box)
    return Front(name, objectives, marked, dominated, box, bands)


def _default(points: Sequence[Point], requested: Sequence[Objective]) -> tuple[Objective, ...]:
    """Latency and throughput, accuracy where codecs make a difference, and what else is requested.

    Without codecs all have the whole graph's accuracy, or are not to be trusted. A point without a figure
    would be on no front, so all have those of a front.
    """
    usable = [p for p in points if p.latency.value is not None and p.throughput.value is not None]
    also: tuple[Objective, ...] = ("accuracy",) if len({p.cell.codec for p in usable}) > 1 else ()
    known = [o for o in (*also, *requested) if all(p.figure(o).value is not None for p in usable)]
    return tuple(dict.fromkeys((*TIMED, *known)))


def _repeated(point: Point, objectives: Sequence[Objective]) -> bool:
    """Whether its trials say how it might come out again: at least two of every measured figure."""
    figures = [point.figure(o) for o in objectives]
    return all(f.value is not None and (not f.values or len(f.values) > 1) for f in figures)


def _hypervolume(
    points: Sequence[Point],
    figures: Floats,
    drawn: Floats,
    objectives: Sequence[Objective],
    box: ReferenceBox,
) -> Estimate:
    """Of latency and seconds a sample, within the box."""
    usable = [i for i, row in enumerate(figures) if not np.isnan(row).any()]
    if not usable or not set(TIMED) <= set(objectives):
        return NOTHING
    columns = [objectives.index(objective) for objective in TIMED]
    corner = np.array([box.latency_s, box.sample_s])

    def shares(rows: Floats) -> Floats:
        latency_s, rate_per_s = (rows[..., column] for column in columns)
        return hypervolumes(np.stack([latency_s, 1 / rate_per_s], axis=-1), corner)

    (value,) = shares(figures[None, usable])
    comparable = [points[i] for i in usable]
    trials = min(len(p.figure(o).values) or 1 for p in comparable for o in TIMED)
    if any(p.probability is None for p in comparable):
        return Estimate(float(value), None, None, trials, None)
    low, high = interval(shares(drawn[:, usable]))
    return Estimate(float(value), low, high, trials, "bootstrap95")
