"""Planted sweeps as results files, and what `python -m analysis` reads out of them.

A planted figure is the latency of every request of a trial, and the time between two results, so the same
file asks for the lowest latency and for the highest throughput.
"""

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.__main__ import main
from controller.results import Block, Cell, DeviceRow, Hop, Link, Store, Trial, TrialsWanted
from tests.calibration.families import Floats, Planted
from worker.records import ENDPOINT, HOP

__all__ = ["answer_of", "cells_of", "write"]

_AT = "2026-03-01T10:00:00+00:00"
_BUNDLE = "cd" * 32
_DEVICES = ("pi", "server")
_REQUESTS = 11
_SCALE_S = 0.02


def cells_of(planted: Planted) -> list[Cell]:
    """One cell for each split; those that spend all their time on one device are the ends."""
    count = len(planted.truth)
    shares = _shares(planted)
    ends = {0.0: 0, 1.0: count + 1}
    return [
        Cell(
            model="planted",
            bundle=_BUNDLE,
            cuts=(ends.get(float(shares[i]), i + 1),),
            label=f"split.{i}",
            devices=_DEVICES,
            network="lan",
            shaping="tc",
        )
        for i in range(count)
    ]


def write(
    path: Path, planted: Planted, figures: Floats | None = None, wanted: TrialsWanted | None = None
) -> Path:
    """Write a sweep to `path`, replacing a file.

    Args:
        figures: [cell, block], in place of the planted ones; a cell has no trial where it is NaN.
        wanted: What the experiment's `trials` say; None: as many as there are blocks.
    """
    figures = planted.figures if figures is None else figures
    wanted = wanted or TrialsWanted(figures.shape[1], figures.shape[1])
    cells, shares = cells_of(planted), _shares(planted)
    path.unlink(missing_ok=True)
    text = f"name: planted\nseed: 1\ntrials: {figures.shape[1]}\n"
    with Store.create(
        path,
        name="planted",
        text=text,
        seed=1,
        trials=wanted.most,
        least=wanted.least,
        until=wanted.until,
        created_at=_AT,
    ) as store:
        # Flushing each trial to the disk takes longer than all else, and no test cuts the power.
        store._db.execute("PRAGMA synchronous = OFF")
        devices = [DeviceRow(name, "real", 1.0, {}) for name in _DEVICES]
        environment = store.add_environment(_AT, {}, devices)
        manifest = {"model": "planted", "node_count": len(cells) + 1, "cut_points": []}
        store.add_bundle(_BUNDLE, "planted", json.dumps(manifest))
        store.add_network("lan", 0, "tc", {})
        store.add(*cells, *(Block("lan", b, _AT, whole=True) for b in range(figures.shape[1])))
        for cell, share, row in zip(cells, shares, figures, strict=True):
            for number in np.flatnonzero(~np.isnan(row)):
                trial = _trial(cell, int(number), _SCALE_S * float(np.exp(row[number])), float(share))
                store.add_trial(replace(trial, environment=environment))
    return path


def _shares(planted: Planted) -> Floats:
    """Of the first device; where the estimator is not told, a half."""
    if planted.shares is None:
        return np.full(len(planted.truth), 0.5)
    first: Floats = planted.shares[:, 0]
    return first


def _trial(cell: Cell, number: int, latency_s: float, share: float) -> Trial:
    """Depth 1: each request follows the one before; the longer stage counts as busy all the time."""
    at = np.arange(_REQUESTS)
    endpoint = np.zeros(_REQUESTS, ENDPOINT)
    endpoint["request"], endpoint["counted"], endpoint["latency_s"] = at, 1, latency_s
    stages = [(name, part) for name, part in zip(_DEVICES, (share, 1 - share), strict=True) if part > 0]
    hops, rows = [], []
    for index, (device, part) in enumerate(stages):
        records = np.zeros(_REQUESTS, HOP)
        records["request"], records["compute_s"] = at, latency_s * part
        alone_s = latency_s * part / max(share, 1 - share)
        hops.append(Hop(device, index, index + 1, 1, 0.01, alone_s))
        rows.append(records)
    links = (Link("pi", "server", 1000), Link("server", "pi", 10)) if share < 1 else (Link("pi", "pi", 10),)
    return Trial(
        cell=cell.id,
        number=number,
        started_at=_AT,
        elapsed_s=_REQUESTS * latency_s,
        checked=_REQUESTS,
        worst_error=0.0,
        hops=tuple(hops),
        links=links,
        endpoint_rows=endpoint,
        hop_rows=tuple(rows),
    )


def answer_of(path: Path, objective: str) -> dict[str, Any]:
    """What `python -m analysis best --json` says, called within this process."""
    said = io.StringIO()
    with redirect_stdout(said):
        code = main(["best", str(path), "--objective", objective, "--json"])
    assert code == 0, said.getvalue()
    (answer,) = json.loads(said.getvalue())
    found: dict[str, Any] = answer
    return found
