"""Open loads through the public commands: a planted queue's mean latency, by its formula."""

import csv
from pathlib import Path

import numpy as np
import pytest

from controller.results import Results
from exporter.bundle import export_null
from tests.integration.commands import analysis, sweep
from tests.integration.labs import write_experiment

NODE_MS = 5
RATE_PER_S = 70


def test_a_queue_that_is_70_percent_busy_has_the_mean_latency_of_its_formula(
    lab: Path, tmp_path: Path
) -> None:
    export_null(tmp_path / "bundles" / "null", (16, 16, 4))
    experiment = write_experiment(
        tmp_path,
        "free: {}\n",
        models=["null"],
        splits=[],
        placements=[["pi"]],
        planted={"pi": {"node_ms": NODE_MS}},
        trials=1,
        requests=300,
        depths=[4],
        loads=[f"poisson:{RATE_PER_S}/s"],
    )
    done = sweep(experiment, lab, tmp_path / "bundles")
    assert done.returncode == 0, done.stderr

    path = tmp_path / "results.sqlite"
    with Results.open(path) as results:
        (trial,) = results.trials()
    steady = trial.course.steady
    assert steady is not None
    assert steady.latency_mean_s is not None
    # The truth is that of the times achieved: 1 % longer ones wait 5 % longer.
    (rows,) = trial.records
    service_s = float(np.mean(rows["compute_s"]))
    assert service_s >= NODE_MS * 2e-3
    load = RATE_PER_S * service_s
    expected_s = service_s + RATE_PER_S * float(np.mean(rows["compute_s"] ** 2)) / (2 * (1 - load))
    assert steady.utilisation.value == pytest.approx(load, rel=0.05)
    assert steady.latency_mean_s.value == pytest.approx(expected_s, rel=0.2)
    # As many requests are warmed up as such a queue needs, not the experiment's five.
    assert np.flatnonzero(trial.endpoint_rows["counted"])[0] > 50

    assert analysis("report", path, "--out", tmp_path / "report").returncode == 0
    with (tmp_path / "report" / "cells.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["latency_mean_s"]) == pytest.approx(steady.latency_mean_s.value)
    assert float(row["latency_mean_s_low"]) < float(row["latency_mean_s"]) < float(row["latency_mean_s_high"])
    assert float(row["utilisation"]) == pytest.approx(steady.utilisation.value)
