"""What else may be wrong around a sweep: clocks, other controllers, left-over processes, sources too fast."""

import os
import signal
import sqlite3
from datetime import datetime
from pathlib import Path

import numpy as np

from controller.results import Results
from controller.results.check import run_check
from tests.integration.faults.lab import lab_of, sweeping, write_experiment

TRIALS = 3 * 2 * 2
"""Splits with both ends, depths, trials."""
STEPPED = Path(__file__).with_name("stepped_controller.py")


def test_a_clock_that_is_set_while_a_sweep_runs_changes_no_number(
    bundles_folder: Path, tmp_path: Path
) -> None:
    write_experiment(tmp_path)
    with lab_of(tmp_path), sweeping(tmp_path, bundles_folder, program=[str(STEPPED)]) as sweep:
        assert sweep.end() == 0, sweep.said
    with Results.open(sweep.results) as results:
        trials = list(results.trials())
    labels = [datetime.fromisoformat(trial.started_at) for trial in trials]
    assert labels != sorted(labels)
    assert len(trials) == TRIALS
    for trial in trials:
        assert 0 < trial.elapsed_s < 60
        assert (trial.endpoint["latency_s"] > 0).all() and (trial.endpoint["latency_s"] < 60).all()
    assert run_check(sweep.results)


def test_a_second_controller_hears_who_holds_the_devices_and_takes_them_once_that_one_is_gone(
    bundles_folder: Path, tmp_path: Path
) -> None:
    """The first is a process of an earlier run that hangs: it holds its workers as long as it is there."""
    write_experiment(tmp_path, wait_s=0)
    with lab_of(tmp_path), sweeping(tmp_path, bundles_folder) as first:
        first.wait_finished(2)
        first.process.send_signal(signal.SIGSTOP)
        other = tmp_path / "other.sqlite"
        with sweeping(tmp_path, bundles_folder, results=other) as second:
            assert second.end() == 2
        assert second.said[-1].startswith("error: pi: worker pi is held by ")
        assert f"(pid {first.process.pid}), for " in second.said[-1]

        first.process.kill()
        first.process.wait()
        with sweeping(tmp_path, bundles_folder) as again:
            assert again.end() == 0, again.said
        assert again.finished() == TRIALS
    assert run_check(again.results)


def test_two_sweeps_into_one_file_end_with_every_trial_once(bundles_folder: Path, tmp_path: Path) -> None:
    """The second waits for the workers, and finds what the first has finished meanwhile."""
    write_experiment(tmp_path, wait_s=60)
    with (
        lab_of(tmp_path),
        sweeping(tmp_path, bundles_folder) as first,
        sweeping(tmp_path, bundles_folder) as second,
    ):
        codes = {first.end(), second.end()}
    assert 0 in codes, (first.said, second.said)
    with sqlite3.connect(first.results) as db:
        assert db.execute("SELECT count(*) FROM trial").fetchone() == (TRIALS,)
    db.close()
    assert run_check(first.results)


def test_a_worker_left_over_by_an_earlier_run_is_replaced(bundles_folder: Path, tmp_path: Path) -> None:
    """It stands still on its port, as one that was stopped with ^Z."""
    write_experiment(tmp_path, wait_s=0)
    with lab_of(tmp_path) as workers:
        left_over = workers["server"].process
        os.kill(workers["server"].pid, signal.SIGSTOP)
        with sweeping(tmp_path, bundles_folder) as sweep:
            sweep.process.wait(60)
        assert sweep.said[-1].startswith("error: server: ") and "sent nothing in time" in sweep.said[-1]
        left_over.kill()
        left_over.wait()
        workers["server"].start()
        with sweeping(tmp_path, bundles_folder) as sweep:
            assert sweep.end() == 0, sweep.said


def test_a_thread_that_is_not_scheduled_as_a_run_ends_loses_no_record(
    bundles_folder: Path, tmp_path: Path
) -> None:
    """It writes the last row 1.5 s after the last result is back."""
    chains = [{"devices": ["pi", "server"], "cuts": [2]}]
    write_experiment(tmp_path, splits="clean", chains=chains, depths=[1], requests=11, trials=1)
    with lab_of(tmp_path) as workers:
        workers["server"].arm("recording:11", "pause")
        with sweeping(tmp_path, bundles_folder) as sweep:
            assert sweep.end() == 0, sweep.said
        assert workers["server"].fired_at_s()
    with Results.open(sweep.results) as results:
        (trial,) = results.trials()
        assert not results.voids()
    assert len(trial.hop_rows[1]) == len(trial.endpoint_rows) == 12


def test_a_source_that_outruns_its_sink_has_no_more_under_way_than_the_depth(
    bundles_folder: Path, tmp_path: Path
) -> None:
    write_experiment(
        tmp_path, loads=["constant:20000/s"], depths=[3], splits=[2], trials=1, requests=300, check_every=0
    )
    with lab_of(tmp_path, "--slowdown", "20"), sweeping(tmp_path, bundles_folder) as sweep:
        assert sweep.end() == 0, sweep.said
    with Results.open(sweep.results) as results:
        trials = list(results.trials())
    for trial in trials:
        sent_at_s = trial.endpoint["scheduled_at_s"] + trial.endpoint["wait_source_s"]
        finished_at_s = trial.endpoint["finished_at_s"]
        times = np.concatenate([sent_at_s, finished_at_s])
        steps = np.concatenate([np.ones(len(sent_at_s)), -np.ones(len(finished_at_s))])
        # Of a result and what its credit lets go at the same moment, the result comes first.
        under_way = np.cumsum(steps[np.lexsort((steps, times))])
        assert under_way.max() <= 3
    assert any(trial.course.overloaded for trial in trials)
    assert run_check(sweep.results)
