"""Telemetry: a moment for each trial, drawn by device."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.data.sweep import load
from analysis.figures import PAPER, figures_of
from analysis.study import Study
from controller.results import Results, Store
from tests.unit.analysis.synthetic import Physics, run_trial, write_sweep


def test_telemetry_is_told_trial_by_trial(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(24,), trials=1)
    with Results.open(path) as store:
        cell = next(c for c in store.cells() if c.depth == 1)
    trial = run_trial(cell, 1, 11, Physics(), np.random.default_rng(0))
    # The first is of the moment before, when it had another model.
    told = [{"at_s": t, "process_rss_bytes": 4e6 / t, "temperature_c": None} for t in (1.0, 2.0)]
    with Store.append(path) as writing:
        writing.add_trial(replace(trial, telemetry={"pi": told}))
    sweep = load(path)
    assert [(m.device, m.name, m.value) for m in sweep.moments] == [("pi", "worker's memory, MB", 2.0)]
    spec = figures_of(Study.of(sweep))["telemetry"](PAPER)
    assert {p["name"] for p in spec["params"]} == {
        f"only_{f}" for f in ("model", "network", "depth", "codec")
    }
    assert all({"color", "shape"} < set(panel["encoding"]) for panel in spec["vconcat"])
