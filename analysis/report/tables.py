"""The page's own tables, as others compute with them and print them. Columns: docs/reports.md."""

import statistics
from typing import Any

import pandas as pd

from analysis.data.breakdown import Breakdown
from analysis.data.sweep import CellResult, Sweep
from analysis.report import words
from analysis.study import Study
from analysis.tables.cells import cell_columns
from controller.results import CodecAccuracy
from controller.results.drifts import Drifted

__all__ = ["change_rows", "codec_rows", "page_tables"]

_PARTS = ("wait", "codec", "compute")
_COLUMNS = {
    "parts": (
        *("model", "bundle_name", "network", "where", "cuts", "devices", "batch", "codec", "cell"),
        *("total_s", "network_s", "network_share", "source_s", "wait_s", "codec_s", "compute_s"),
        *("receive_s", "wait_send_s", "send_s"),
    ),
    "links": (
        *("network", "sender", "receiver", "taken_at", "round_trip_ms_requested", "round_trip_ms"),
        *("rate_mbit_requested", "rate_mbit", "filled", "loss_percent_requested", "loss_percent", "lost"),
        *("datagrams", "tcp_mbit"),
    ),
    "networks": ("network", "shaping", "conditions"),
    "drift": ("network", "block", "what", "taken_at", "time_s", "change", "noise", "flagged"),
    "voids": (
        *("model", "bundle_name", "network", "where", "depth", "trial", "device", "at", "reason", "cell"),
    ),
    "codecs": (
        *("model", "bundle_name", "codec", "cells", "ratio_low", "ratio_high", "tensor_error", "worst_error"),
        "accuracy_change",
    ),
    "accuracy": ("model", "bundle_name", "cuts", "samples", "accuracy_whole", "accuracy", "worst_error"),
    "devices": ("device", "kind", "slowdown"),
    "changes": ("device", "after_trial", "environment", "what", "before", "after"),
}


def page_tables(study: Study) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of each, in the page's order; one that has nothing to say has no rows."""
    sweep = study.sweep
    rows = {
        "parts": [_part(b, g.title) for g in study.groups for b in g.breakdowns],
        "accuracy": _accuracy(sweep),
        "codecs": [row for bundle in sweep.manifests for row in codec_rows(sweep, bundle)],
        "drift": list(map(_drift, sweep.drifts)),
        "voids": _voids(sweep),
        "devices": [{"device": d.name, "kind": d.kind, "slowdown": d.slowdown} for d in sweep.devices],
        "changes": change_rows(sweep),
        "networks": [
            {"network": p.name, "shaping": p.shaping, "conditions": words.conditions(p.requested)}
            for p in sweep.networks
        ],
        "links": _links(sweep),
    }
    return [(name, pd.DataFrame(table, columns=list(_COLUMNS[name]))) for name, table in rows.items()]


def _drift(drifted: Drifted) -> dict[str, Any]:
    sentinel, change = drifted.sentinel, drifted.change
    return {
        "network": sentinel.network,
        "block": sentinel.block,
        "what": drifted.what,
        "taken_at": sentinel.taken_at,
        "time_s": statistics.median(sentinel.times_s),
        "change": change.value,
        "noise": change.noise,
        "flagged": change.flagged,
    }


def change_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """What changed of devices during the sweep, value by value."""
    return [
        {
            "device": change.device,
            "after_trial": sweep.trials_in(range(1, change.environment)),
            "environment": change.environment,
            "what": name,
            "before": "null" if before is None else str(before),
            "after": "null" if after is None else str(after),
        }
        for change in sweep.found.changes()
        for name, before, after in change.differences
    ]


def codec_rows(sweep: Sweep, bundle: str) -> list[dict[str, Any]]:
    """What each choice of codecs does over all its splits: what it saves, and its worst errors."""
    by_codec: dict[str, list[CellResult]] = {}
    for result in sweep.cells:
        if result.cell.bundle == bundle and result.cell.codec != "none" and result.trials:
            by_codec.setdefault(result.cell.codec, []).append(result)
    rows = []
    for codec, results in sorted(by_codec.items()):
        known = [r.accuracy for r in results if isinstance(r.accuracy, CodecAccuracy)]
        changes = [a.chain - a.whole for a in known if a.chain is not None and a.whole is not None]
        ratios = [t.payload_bytes / t.encoded_bytes for r in results for t in r.trials]
        rows.append(
            {
                **_bundle_columns(sweep, bundle),
                "codec": codec,
                "cells": len(results),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "tensor_error": max((a.tensor_error for a in known), default=None),
                "worst_error": max((a.worst_error for a in known), default=None),
                "accuracy_change": min(changes, default=None),
            }
        )
    return rows


def _part(breakdown: Breakdown, bundle_name: str) -> dict[str, Any]:
    stages = {
        f"{part}_s": ";".join(
            f"{stage}={s:.6g}" for (stage, name), s in breakdown.parts.items() if name == part
        )
        for part in _PARTS
    }
    return {
        **cell_columns(breakdown.result, bundle_name),
        "total_s": breakdown.total_s,
        "network_s": breakdown.network_s,
        "network_share": breakdown.network_s / breakdown.total_s,
        "source_s": breakdown.source_s,
        **stages,
        **breakdown.on_network,
    }


def _bundle_columns(sweep: Sweep, bundle: str) -> dict[str, Any]:
    return {"model": sweep.manifests[bundle].get("model"), "bundle_name": sweep.title(bundle)}


def _accuracy(sweep: Sweep) -> list[dict[str, Any]]:
    return [
        {
            **_bundle_columns(sweep, a.bundle),
            "cuts": ";".join(map(str, a.cuts)),
            "samples": a.samples,
            "accuracy_whole": a.whole,
            "accuracy": a.chain,
            "worst_error": a.worst_error,
        }
        for a in sorted(sweep.accuracies, key=lambda a: (a.bundle, a.cuts))
    ]


def _voids(sweep: Sweep) -> list[dict[str, Any]]:
    return [
        {
            **_bundle_columns(sweep, v.cell.bundle),
            "network": v.cell.network,
            "where": sweep.split_of(v.cell).where,
            "depth": v.cell.depth,
            "trial": v.number,
            "device": v.device,
            "at": v.at,
            "reason": v.reason,
            "cell": v.cell.id,
        }
        for v in sweep.voids
    ]


def _links(sweep: Sweep) -> list[dict[str, Any]]:
    return [
        {
            "network": link.network,
            "sender": link.sender,
            "receiver": link.receiver,
            "taken_at": link.taken_at,
            **{
                f"{key}_requested": link.requested.get(key)
                for key in ("round_trip_ms", "rate_mbit", "loss_percent")
            },
            **link.measured,
        }
        for link in sweep.links
    ]
