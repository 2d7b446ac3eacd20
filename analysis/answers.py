"""The best split for each network profile and objective, and how sure that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.fronts import Point, capability
from analysis.results import Baseline, Profile, Sweep
from analysis.statistics import Estimate, ratio
from controller.store import CHAIN

__all__ = ["OBJECTIVES", "Answer", "Gain", "Objective", "answers", "as_json", "one_line"]

Objective = Literal["latency", "throughput", "knee"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput", "knee")


@dataclass(frozen=True)
class Gain:
    """How many times better the answer is than something else; below 1 it is worse.

    Attributes:
        over: `baseline` (the whole model in a bare loop on one device), or an end of the split range.
        tie: Whether the two intervals overlap; None with one trial, which cannot tell.
    """

    over: Literal["baseline", "stay", "offload"]
    name: str
    factor: Estimate
    tie: bool | None


@dataclass(frozen=True)
class Answer:
    """The best point of the capability front for one objective.

    `ties` are the other splits whose interval overlaps the answer's own.
    """

    bundle: str
    profile: Profile
    objective: Objective
    point: Point
    ties: tuple[Point, ...]
    gains: tuple[Gain, ...]


def answers(sweep: Sweep) -> list[Answer]:
    """An answer for each bundle, profile and objective that has points enough to give one."""
    found = []
    for bundle, profile in sweep.groups():
        points = [p for p in capability(sweep, bundle, profile.name) if _power(p) is not None]
        if points:
            baselines = [b for b in sweep.baselines if b.bundle == bundle]
            found += [_answer(bundle, profile, o, points, baselines) for o in OBJECTIVES]
    return found


def _latency(point: Point | Baseline) -> Estimate:
    return point.latency


def _throughput(point: Point | Baseline) -> Estimate:
    return point.throughput


def _power(point: Point | Baseline) -> float | None:
    """Throughput over latency: Kleinrock's power, whose maximum is the knee whatever the units.

    L. Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
    communications", ICC 1979.
    """
    if not point.latency.value or point.throughput.value is None:
        return None
    return point.throughput.value / point.latency.value


def _answer(
    bundle: str, profile: Profile, objective: Objective, points: Sequence[Point], baselines: list[Baseline]
) -> Answer:
    front = [p for p in points if p.on_front]
    if objective == "latency":
        best = min(front, key=lambda p: p.latency.value or 0.0)
    elif objective == "throughput":
        best = max(front, key=lambda p: p.throughput.value or 0.0)
    else:
        best = max(front, key=lambda p: _power(p) or 0.0)
    figure = _throughput if objective == "throughput" else _latency
    ties = [p for p in points if p is not best and _tied(best, p, objective, figure)]
    alike = [p for p in points if (p.cell.batch, p.cell.devices) == (best.cell.batch, best.cell.devices)]
    return Answer(bundle, profile, objective, best, tuple(ties), _gains(best, objective, alike, baselines))


def _tied(best: Point, other: Point, objective: Objective, figure: Callable[[Point], Estimate]) -> bool:
    if objective == "knee":
        return bool(best.latency.overlaps(other.latency) and best.throughput.overlaps(other.throughput))
    return bool(figure(best).overlaps(figure(other)))


def _gains(
    best: Point, objective: Objective, points: Sequence[Point], baselines: list[Baseline]
) -> tuple[Gain, ...]:
    gains = []
    for b in baselines:
        if b.batch == best.cell.batch:
            gains.append(_gain("baseline", f"{b.device} alone", best, b, objective))
    for p in points:
        # An end with the answer's own codec or without any, in its topology or a chain; the others only say
        # how codecs and topologies compare.
        alike = p.cell.codec in ("none", best.cell.codec) and p.cell.topology in (CHAIN, best.cell.topology)
        if p is not best and p.split.kind != "split" and alike:
            gains.append(_gain(p.split.kind, p.split.where, best, p, objective))
    return tuple(gains)


def _gain(
    over: Literal["baseline", "stay", "offload"],
    name: str,
    best: Point,
    other: Point | Baseline,
    objective: Objective,
) -> Gain:
    """The knee is compared by its latency: it is the more cautious of its two gains to print."""
    if objective == "throughput":
        factor, tie = ratio(best.throughput, other.throughput), best.throughput.overlaps(other.throughput)
    else:
        factor, tie = ratio(other.latency, best.latency), best.latency.overlaps(other.latency)
    return Gain(over, name, factor, tie)


def one_line(sweep: Sweep, profile: Profile, bundle: str, found: Sequence[Answer]) -> str:
    """The answer of one profile for a terminal."""
    mine = {a.objective: a.point for a in found if (a.bundle, a.profile.name) == (bundle, profile.name)}
    head = f"{profile.name} ({sweep.title(bundle)})"
    if not mine:
        return f"{head}: no answer yet, no split has finished its depth-1 cell with 11 requests a trial"
    figures: dict[Objective, Callable[[Point], str]] = {"latency": _ms, "throughput": _per_s, "knee": _both}
    parts = []
    for objective, figure in figures.items():
        point = mine[objective]
        parts.append(f"{objective}: {point.split.where} [{point.split.kind}] {figure(point)}")
    return f"{head}: " + "; ".join(parts)


def _ms(point: Point) -> str:
    return f"{(point.latency.value or 0) * 1e3:.3g} ms"


def _per_s(point: Point) -> str:
    return f"{point.throughput.value or 0:.3g}/s"


def _both(point: Point) -> str:
    return f"{_ms(point)}, {_per_s(point)}"


def as_json(sweep: Sweep, found: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers as plain values: seconds, samples a second, factors."""
    return [
        {
            "model": sweep.title(a.bundle),
            "bundle": a.bundle,
            "profile": a.profile.name,
            "link": a.profile.link,
            "objective": a.objective,
            "kind": a.point.split.kind,
            "where": a.point.split.where,
            "cuts": list(a.point.cell.cuts),
            "devices": list(a.point.cell.devices),
            "batch": a.point.cell.batch,
            "codec": a.point.cell.codec,
            "topology": a.point.cell.topology,
            "accuracy": a.point.accuracy,
            "depth": a.point.cell.depth,
            "latency_p50_s": _values(a.point.latency),
            "throughput_per_s": _values(a.point.throughput),
            "tied_with": [p.split.where for p in a.ties],
            "gains": [
                {"over": g.over, "name": g.name, "factor": _values(g.factor), "tie": g.tie} for g in a.gains
            ],
        }
        for a in found
    ]


def _values(figure: Estimate) -> dict[str, Any]:
    return {"value": figure.value, "low": figure.low, "high": figure.high, "interval": figure.kind}
