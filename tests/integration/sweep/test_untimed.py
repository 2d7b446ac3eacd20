"""A worker that dies while a stage is timed alone: its trial counts, and what is missing is said."""

import time
from pathlib import Path
from subprocess import Popen

import pytest

from controller.errors import StoreError
from controller.results import Hop, Results, TimeAlone
from exporter.bundle import export_null
from tests.integration.commands import analysis, start, sweep_arguments
from tests.integration.labs import LabWorker, write_experiment, write_lab

PLANTED = {"pi": {"node_ms": 1}, "server": {"node_ms": 200}}
"""The server's stage is timed for two seconds, after pi's."""
WHY = "time alone missing: server failed while stage 1-3 was timed: lost; "


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    export_null(tmp_path / "bundles" / "null", (16, 16, 8, 4))
    return tmp_path / "bundles"


def begin(folder: Path, bundles: Path, workers: dict[str, LabWorker], **keys: object) -> "Popen[str]":
    """Start a sweep of one split, and kill the server while its stage is timed."""
    chains = [{"devices": ["pi", "server"], "cuts": [1]}]
    experiment = write_experiment(
        folder, models=["null"], chains=chains, planted=PLANTED, requests=2, trials=2, **keys
    )
    process = start(*sweep_arguments(experiment, write_lab(folder, workers.values()), bundles))
    deadline_s = time.monotonic() + 60
    while not timed_alone(folder):
        assert time.monotonic() < deadline_s and process.poll() is None, "no stage is timed"
        time.sleep(0.01)
    workers["server"].kill()
    return process


def timed_alone(folder: Path) -> list[TimeAlone]:
    try:
        with Results.open(folder / "results.sqlite") as results:
            return results.rows(TimeAlone)
    except StoreError:  # the sweep has not made the file yet
        return []


def hops(folder: Path) -> list[tuple[Hop, ...]]:
    """Of each finished trial."""
    with Results.open(folder / "results.sqlite") as results:
        return [trial.hops for trial in results.trials()]


def test_the_trial_counts_the_report_says_why_and_a_later_block_times_the_stage(
    workers: dict[str, LabWorker], bundles: Path, tmp_path: Path
) -> None:
    process = begin(tmp_path, bundles, workers, on_failure="wait", wait_s=60)
    workers["server"].start()
    _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert WHY in said
    assert "waiting at most 60 s for all devices" in said

    (pi, server), later = hops(tmp_path)
    assert pi.alone_s and pi.alone_missing is None
    assert server.alone_s is None and server.alone_missing is not None
    assert f"time alone missing: {server.alone_missing}".startswith(WHY)
    assert all(hop.alone_s and hop.alone_missing is None for hop in later)
    assert {(row.block, row.device) for row in timed_alone(tmp_path)} == {(0, "pi"), (1, "pi"), (1, "server")}
    written = analysis("report", tmp_path / "results.sqlite", "--out", tmp_path / "out", "--figures", "")
    assert written.returncode == 0, written.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"Busy shares of 1 trial are null, {WHY}" in page


def test_told_to_stop_the_sweep_stops_after_the_trial_that_counts(
    workers: dict[str, LabWorker], bundles: Path, tmp_path: Path
) -> None:
    _, said = (process := begin(tmp_path, bundles, workers)).communicate(timeout=60)
    last = said.strip().splitlines()[-1]
    assert process.returncode == 2
    assert last.startswith("error: ") and WHY in last
    assert last.endswith("finished trials are saved; run the same command to resume")
    assert len(hops(tmp_path)) == 1
