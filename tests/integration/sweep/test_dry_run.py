"""A dry run against the sweep that it announces."""

import json
from pathlib import Path

from controller.results import Results
from tests.integration.labs import add
from tests.integration.sweep.sweeping import Command, finished
from tests.results_files import edited

WARMUP = 2
"""Of `write_experiment`."""
OPTIONS = ("--network", "ideal", "--dry-run")


def test_payload_is_that_of_the_depths_that_the_sweep_finds(sweep: Command, experiment: Path) -> None:
    add(experiment, depths=[1, "auto"], splits=[2], trials=1)
    assert "about " in sweep(*OPTIONS).stdout
    (before,) = json.loads(sweep(*OPTIONS, "--json").stdout)["by_network"]
    assert sweep("--network", "ideal").returncode == 0
    assert "about " not in sweep(*OPTIONS).stdout
    (after,) = json.loads(sweep(*OPTIONS, "--json").stdout)["by_network"]
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert {cell.depth for cell in results.cells() if cell.role} - {1}, "some depth is worth finding"
        counted = sum(
            link.payload_bytes * (WARMUP + len(trial.endpoint))
            for trial in results.trials()
            for link in trial.links
            if link.sender != link.receiver
        )
    assert after["payload_bytes"] == counted
    assert before["payload_bytes"] > 0


def test_a_bad_trial_is_refused_as_by_the_sweep(sweep: Command, experiment: Path) -> None:
    add(experiment, splits=[], trials=1)
    assert sweep("--network", "ideal").returncode == 0
    done = finished(experiment)
    with edited(experiment.parent / "results.sqlite") as db:
        db.execute("UPDATE trial SET elapsed_s = NULL WHERE id = 1")
    refused, swept = sweep(*OPTIONS), sweep("--network", "ideal")
    assert (refused.returncode, refused.stderr) == (2, swept.stderr)
    assert "table trial, row 1, column elapsed_s: a finished trial has one" in refused.stderr
    assert done > 1
