"""Telemetry: a moment for each trial, drawn by device; means over the requests that count."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.data.sweep import load
from analysis.data.telemetry import mean_during, span_on, summary
from analysis.figures import PAPER, figures_of
from analysis.study import Study
from controller.results import Cell, Results, Store, Trial
from tests.unit.analysis.synthetic import NODES, Physics, run_trial, write_sweep


def test_telemetry_is_told_trial_by_trial(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(24,), trials=1)
    with Results.open(path) as store:
        cell = next(c for c in store.cells() if c.depth == 1)
    trial = run_trial(cell, 1, 11, Physics(), np.random.default_rng(0))
    # The first is of the moment before, when it had another model.
    told = [{"at_s": t, "process_memory_bytes": 4e6 / t, "temperature_c": None} for t in (1.0, 2.0)]
    with Store.append(path) as writing:
        writing.add_trial(replace(trial, telemetry={"pi": told}))
    sweep = load(path)
    assert [(m.device, m.name, m.value) for m in sweep.moments] == [("pi", "worker's memory, MB", 2.0)]
    spec = figures_of(Study.of(sweep))["telemetry"](PAPER)
    assert {p["name"] for p in spec["params"]} == {
        f"only_{f}" for f in ("model", "network", "depth", "codec")
    }
    points = [panel["layer"][0] for panel in spec["vconcat"]]
    assert all({"color", "shape"} < set(each["encoding"]) for each in points)


def _planted() -> tuple[Trial, Cell]:
    """Ten requests after one, one every 0.1 s: the source's clock runs from 5, the server's from 100."""
    cell = Cell(
        model="m",
        bundle="b",
        cuts=(NODES // 2,),
        label="x",
        devices=("pi", "server"),
        network="lan",
        shaping="none",
    )
    trial = run_trial(cell, 0, 10, Physics(), np.random.default_rng(0))
    trial.endpoint_rows["finished_at_s"] = 5.0 + 0.1 * np.arange(11)
    for rows in trial.hop_rows:
        for name in ("compute_s", "encode_s", "wait_send_s", "send_s"):
            rows[name] = 0.01
        rows["received_at_s"] = rows["compute_at_s"] = 99.9 + 0.1 * np.arange(11)
    return replace(trial, elapsed_s=1.0), cell


def test_a_device_worked_on_a_trial_from_its_first_request_to_its_last_by_its_own_clock() -> None:
    trial, cell = _planted()
    assert span_on("pi", trial, cell) == (5.0, 6.0)
    assert span_on("server", trial, cell) == pytest.approx((100.0, 100.94))
    assert span_on("pi", trial, replace(cell, source="controller")) == pytest.approx((100.0, 100.94))
    assert span_on("idle", trial, cell) is None


def test_cpu_shares_are_weighted_by_time_and_leave_out_what_is_before_and_after_the_requests() -> None:
    trial, cell = _planted()
    # A share by the second at which it ends: warming up, four tenths, six tenths, and the hand-over.
    shares = {4.0: 100.0, 5.0: 90.0, 5.4: 20.0, 6.0: 70.0, 6.5: 90.0}
    told = [("pi", {"at_s": at_s, "process_cpu_percent": share}) for at_s, share in shares.items()]
    ((device, name, value),) = summary(told, trial, cell)
    assert (device, name) == ("pi", "worker, % of a core")
    assert value == pytest.approx(0.4 * 20 + 0.6 * 70)


def test_a_sample_that_reaches_beyond_the_span_counts_for_the_part_inside() -> None:
    told = [{"at_s": at_s, "x": x} for at_s, x in ((0.0, 9.0), (2.0, 1.0), (5.0, 4.0))]
    assert mean_during(told, "x", (1.0, 3.0)) == pytest.approx((1 * 1.0 + 1 * 4.0) / 2)
    assert mean_during(told, "x", None) == pytest.approx((2 * 1.0 + 3 * 4.0) / 5)
    assert mean_during([*told, {"at_s": 6.0, "x": None}], "x", (5.0, 6.0)) is None
    assert mean_during(told[:1], "x", (0.0, 1.0)) is None
