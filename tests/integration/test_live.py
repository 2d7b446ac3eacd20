"""`controller watch` beside real sweeps: one that runs, that ended, that was killed, and none."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from controller.live.follower import Follower
from controller.live.live_file import live_path, read_now
from controller.live.view import line
from tests.integration.commands import controller, start, sweep, sweep_arguments
from tests.integration.labs import add, write_experiment
from tests.integration.waiting import wait_until


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(tmp_path, depths=[1, 4], trials=2, warmup=1)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


def test_what_is_swept_on_a_lab_is_followed_to_its_end(
    tmp_path: Path, experiment: Path, lab: Path, results: Path, bundles_folder: Path
) -> None:
    with start("watch", "--lab", lab) as watcher:
        swept = sweep(experiment, lab, bundles_folder)
        if swept.returncode:
            watcher.kill()
        told = watcher.communicate(timeout=60)[0].splitlines()
    assert swept.returncode == 0, swept.stderr
    assert watcher.returncode == 0
    assert "ended: complete: 20 trials done" in told[-1]
    assert told[-1].endswith("20 trials finished, 0 missing")
    shown = controller("watch", results, "--once").stdout
    assert "edgecut tiny" in shown
    assert "last trial:" in shown
    assert "% busy" in shown
    assert "of 5 splits measured so far" in shown
    # Nothing is left of it but one small file.
    assert live_path(results).stat().st_size < 2000
    assert not list(tmp_path.glob(".*partial*"))


def _started(experiment: Path, lab: Path, results: Path, bundles: Path) -> "subprocess.Popen[str]":
    """A sweep that is in the midst of a trial."""
    add(experiment, duration_s=5)
    sweeping = start(*sweep_arguments(experiment, lab, bundles))
    wait_until(lambda: (now := read_now(results)) is not None and now.cell is not None)
    return sweeping


def _line(results: Path) -> str:
    follower = Follower(results)
    follower.look()
    assert follower.snapshot is not None
    return line(follower.snapshot, follower.left_s)


def test_a_sweep_that_was_killed_is_told_from_one_that_runs(
    experiment: Path, lab: Path, results: Path, bundles_folder: Path
) -> None:
    sweeping = _started(experiment, lab, results, bundles_folder)
    running = _line(results)
    assert "trial 1 of 2" in running
    assert "died" not in running
    sweeping.kill()
    sweeping.communicate()

    # The watcher keeps waiting for the same command, until Ctrl-C.
    watcher = start("watch", results)
    assert watcher.stdout is not None
    assert f"died (process {sweeping.pid} is gone)" in watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    said = watcher.communicate(timeout=30)[1]
    assert watcher.returncode == 130
    assert said == "interrupted\n"


def test_a_sweep_that_was_interrupted_says_so(
    experiment: Path, lab: Path, results: Path, bundles_folder: Path
) -> None:
    sweeping = _started(experiment, lab, results, bundles_folder)
    os.kill(sweeping.pid, signal.SIGINT)
    # Two signals at once would be taken for one.
    time.sleep(1)
    os.kill(sweeping.pid, signal.SIGINT)
    sweeping.communicate(timeout=60)
    assert sweeping.returncode == 130
    assert "ended: interrupted; finished trials are saved" in _line(results)


def test_what_is_no_results_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.sqlite").write_text("something else entirely, and long enough\n" * 9)
    ended = controller("watch", tmp_path / "other.sqlite")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert "other.sqlite" in ended.stderr
    assert ended.stderr.count("\n") == 1
