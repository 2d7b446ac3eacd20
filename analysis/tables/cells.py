"""The tables that others compute with: `cells.csv`, `pareto.csv`, `fronts.csv`. Columns: docs/reports.md."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from analysis.data.sweep import CellResult, Sweep
from analysis.data.trial_metrics import QUANTILES, encoded_bytes
from analysis.fronts.fronts import Point
from analysis.statistics.estimates import Estimate
from analysis.study import Study
from controller.results import CodecAccuracy, Settings

__all__ = [
    "CELL_COLUMNS",
    "FRONT_COLUMNS",
    "PARETO_COLUMNS",
    "cell_columns",
    "cells_table",
    "fronts_table",
    "pareto_table",
]

_OVER_TRIALS = ("throughput_per_s", "network_s", "network_share", "source_s")
_SETTINGS = [field.name for field in fields(Settings)]
_DIMENSIONS = [
    *("model", "bundle_name", "bundle", "precision", "network", "shaping", "kind", "where", "label", "cuts"),
    "devices",
    *("device_kinds", "slowdowns"),
    *_SETTINGS,
]


def _with_bounds(*names: str) -> list[str]:
    return [column for name in names for column in (name, f"{name}_low", f"{name}_high")]


PARETO_COLUMNS = [
    "front",
    "rank",
    *_DIMENSIONS,
    "latency_depth",
    *_with_bounds("latency_p50_s", "throughput_per_s"),
    *("is_lower_bound", "interval", "trials", "probability"),
    *("accuracy", "accuracy_whole", "payload_bytes", "encoded_bytes"),
    *_with_bounds("memory_bytes"),
    *("cell", "latency_cell"),
]
FRONT_COLUMNS = [
    *("model", "bundle_name", "bundle", "network", "shaping", "front", "objectives", "candidates", "points"),
    *_with_bounds("hypervolume"),
    *("box_latency_s", "box_sample_s"),
    *("interval", "trials", "seed"),
]
CELL_COLUMNS = [
    "cell",
    *_DIMENSIONS,
    *("trials", "trials_wanted", "voids", "unstable", "overloaded", "bound_missed", "requests"),
    *_with_bounds("rate_per_s"),
    "utilisation",
    *_with_bounds(*(f"latency_{name}_s" for name in QUANTILES), "latency_mean_s", *_OVER_TRIALS),
    *("prepare_s", "interval", "busy", "bubble", "occupied", "bottleneck", "link_use", "link_use_least"),
    *("payload_bytes", "encoded_bytes", "link_payload_bytes", "link_encoded_bytes"),
    *("worst_error", "tensor_error", "accuracy", "accuracy_whole"),
    *_with_bounds("memory_bytes", "rss_bytes"),
    *("capability_probability", "operating_probability"),
    *("on_capability_front", "on_operating_front"),
]


def cells_table(study: Study) -> pd.DataFrame:
    """A row for every wanted cell, finished or not; figures of unfinished ones are empty."""
    on: dict[str, set[str]] = {"capability": set(), "operating": set()}
    sure: dict[str, dict[str, float | None]] = {"capability": {}, "operating": {}}
    for p in (p for group in study.groups for front in group.fronts for p in front.points):
        cells = {p.cell.id, p.latency_cell.id}
        sure[p.front] |= dict.fromkeys(cells, p.probability)
        if p.on_front:
            on[p.front] |= cells
    sweep = study.sweep
    rows = [
        _dimensions(sweep, r)
        | _measured(r)
        | {"trials_wanted": sweep.wanted.total(r.cell, len(r.trials))}
        | {f"on_{front}_front": r.cell.id in cells for front, cells in on.items()}
        | {f"{front}_probability": shares.get(r.cell.id) for front, shares in sure.items()}
        for r in sweep.cells
    ]
    return pd.DataFrame(rows, columns=CELL_COLUMNS)


def pareto_table(study: Study) -> pd.DataFrame:
    """A row for every point of every front, by ascending latency; dominated points are not in it."""
    results = {r.cell.id: r for r in study.sweep.cells}
    rows = [
        _pareto_row(study.sweep, results[p.cell.id], p, rank)
        for group in study.groups
        for front in group.fronts
        for rank, p in enumerate(front.members, start=1)
    ]
    return pd.DataFrame(rows, columns=PARETO_COLUMNS)


def fronts_table(study: Study) -> pd.DataFrame:
    """A row for every front: by what it is one, and how much it dominates."""
    rows = [
        {
            "model": study.sweep.manifests[group.bundle].get("model"),
            "bundle_name": group.title,
            "bundle": group.bundle,
            "network": group.network.name,
            "shaping": group.network.shaping,
            "front": front.name,
            "objectives": ";".join(front.objectives),
            "candidates": len(front.points),
            "points": len(front.members),
            **front.hypervolume.bounds("hypervolume"),
            "box_latency_s": front.box.latency_s if front.box else None,
            "box_sample_s": front.box.sample_s if front.box else None,
            "interval": front.hypervolume.kind,
            "trials": front.hypervolume.trials,
            "seed": study.sweep.seed,
        }
        for group in study.groups
        for front in group.fronts
    ]
    return pd.DataFrame(rows, columns=FRONT_COLUMNS)


def _pareto_row(sweep: Sweep, result: CellResult, point: Point, rank: int) -> dict[str, Any]:
    return {
        "front": point.front,
        "rank": rank,
        **_dimensions(sweep, result),
        "latency_depth": point.latency_cell.depth,
        **point.latency.bounds("latency_p50_s"),
        **point.throughput.bounds("throughput_per_s"),
        "is_lower_bound": point.is_bound,
        "interval": point.throughput.kind,
        "trials": min(point.latency.trials, point.throughput.trials),
        "probability": point.probability,
        **point.memory.bounds("memory_bytes"),
        **_accuracy(result),
        "payload_bytes": result.trials[0].payload_bytes,
        "encoded_bytes": _encoded_bytes(result),
        "latency_cell": point.latency_cell.id,
    }


def cell_columns(result: CellResult, bundle_name: str) -> dict[str, Any]:
    """What tables say of a cell: its id, bundle, split, devices, network and settings.

    Args:
        bundle_name: What its sweep calls its bundle (`Sweep.title`).
    """
    cell = result.cell
    return {
        "bundle_name": bundle_name,
        **{name: getattr(cell, name) for name in ("model", "bundle", "precision", "network", "shaping")},
        **{name: getattr(cell, name) for name in _SETTINGS},
        "cell": cell.id,
        "kind": result.split.kind,
        "where": result.split.where,
        "label": cell.label,
        "cuts": ";".join(map(str, cell.cuts)),
        "devices": ";".join(cell.devices),
        "load": result.load,
    }


def _dimensions(sweep: Sweep, result: CellResult) -> dict[str, Any]:
    known = {d.name: d for d in sweep.devices}
    devices = [known.get(name) for name in result.cell.devices]
    return {
        **cell_columns(result, sweep.title(result.cell.bundle)),
        "device_kinds": ";".join(d.kind if d else "" for d in devices),
        "slowdowns": ";".join(f"{d.slowdown:g}" if d else "" for d in devices),
    }


def _measured(result: CellResult) -> dict[str, Any]:
    figures: dict[str, Any] = {"trials": len(result.trials), "voids": result.voids, **_accuracy(result)}
    if not result.trials:
        return figures
    for name in QUANTILES:
        figures |= result.latency(name).bounds(f"latency_{name}_s")
    for name in (*_OVER_TRIALS, "memory_bytes", "rss_bytes"):
        figures |= result.over_trials(name).bounds(name)
    figures |= result.latency_mean.bounds("latency_mean_s") | result.rate.bounds("rate_per_s")
    return figures | {
        "unstable": result.unstable,
        "overloaded": result.overloaded,
        "bound_missed": result.bound_missed,
        "utilisation": result.utilisation.value,
        "prepare_s": float(np.mean([t.prepare_s for t in result.trials])),
        "requests": sum(t.requests for t in result.trials),
        "interval": result.throughput.kind,
        "busy": _shares(result.by_stage("busy")),
        "bubble": _shares(result.by_stage("busy"), lambda busy: 1 - busy),
        "occupied": _shares(result.by_stage("occupied")),
        "bottleneck": ";".join(result.bottlenecks),
        "link_use": _known_shares(result.by_way("most")),
        "link_use_least": _known_shares(result.by_way("least")),
        "link_payload_bytes": ";".join(str(link.payload_bytes) for link in result.trials[0].links),
        "link_encoded_bytes": ";".join(_encoded(result, i) for i in range(len(result.trials[0].links))),
        "payload_bytes": result.trials[0].payload_bytes,
        "encoded_bytes": _encoded_bytes(result),
        "worst_error": max(t.worst_error for t in result.trials),
    }


def _accuracy(result: CellResult) -> dict[str, Any]:
    known = result.accuracy
    return {
        "accuracy": known.chain if known else None,
        "accuracy_whole": known.whole if known else None,
        "tensor_error": known.tensor_error if isinstance(known, CodecAccuracy) else None,
    }


def _encoded_bytes(result: CellResult) -> float:
    """Mean over trials of what a request puts on the links, after the codecs."""
    return float(np.mean([t.encoded_bytes for t in result.trials]))


def _shares(shares: Mapping[str, Estimate], of: Callable[[float], float] = float) -> str:
    """Each stage's share; nothing after the `=` where it is unknown."""
    return ";".join(
        f"{device}=" + ("" if share.value is None else f"{of(share.value):.4f}")
        for device, share in shares.items()
    )


def _known_shares(shares: Mapping[str, Estimate]) -> str:
    """Nothing stands for what is unknown."""
    return ";".join(f"{way}={'' if (at := s.value) is None else f'{at:.4f}'}" for way, s in shares.items())


def _encoded(result: CellResult, index: int) -> str:
    """Bytes of a link after its codec, mean over trials; without a codec what was before it."""
    return f"{np.mean([encoded_bytes(trial.links[index]) for trial in result.trials]):.6g}"
