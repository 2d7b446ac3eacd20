"""Interruptions of a sweep, and how it resumes."""

import signal
import time
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.commands import start, sweep_arguments
from tests.integration.labs import LabWorker, add, write_lab
from tests.integration.sweep.sweeping import Command, finished, wait_for_trials

TRIALS = 3 * 2 * 2 * 2
"""Splits with both ends, networks, depths, trials."""


@pytest.fixture
def experiment(experiment: Path) -> Path:
    add(experiment, splits=[2])
    return experiment


@pytest.fixture
def lab(workers: dict[str, LabWorker], tmp_path: Path) -> Path:
    """A lab of workers that may be lost."""
    return write_lab(tmp_path, workers.values())


def test_ctrl_c_finishes_the_trial_and_the_same_command_goes_on(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    process = start(*sweep_arguments(experiment, lab, bundles_folder))
    wait_for_trials(experiment, 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "run the same command to resume" in said
    done = finished(experiment)
    assert 3 <= done < TRIALS
    assert f"complete: {TRIALS - done} trials done" in sweep().stderr


def test_a_killed_controller_loses_no_trial_and_repeats_none(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    process = start(*sweep_arguments(experiment, lab, bundles_folder))
    wait_for_trials(experiment, 3)
    process.kill()
    process.communicate()
    done = finished(experiment)

    assert f"complete: {TRIALS - done} trials done" in sweep().stderr
    assert finished(experiment) == TRIALS


def test_a_worker_that_dies_is_named_and_the_sweep_stops_as_told(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path, workers: dict[str, LabWorker]
) -> None:
    process = start(*sweep_arguments(experiment, lab, bundles_folder))
    wait_for_trials(experiment, 3)
    workers["server"].kill()
    _, said = process.communicate(timeout=60)
    last = said.strip().splitlines()[-1]

    assert process.returncode == 2
    assert last.startswith(("error: void trial", "error: server: "))
    assert "server" in last
    with Results.open(experiment.parent / "results.sqlite") as results:
        # None where it died between two trials.
        assert {device for _, _, _, device, _ in results.voids()} == ({"server"} if "void" in last else set())
    workers["server"].start()
    assert sweep().returncode == 0
    assert finished(experiment) == TRIALS


def test_told_to_skip_the_sweep_goes_on_with_what_is_left(
    experiment: Path, lab: Path, bundles_folder: Path, workers: dict[str, LabWorker]
) -> None:
    add(experiment, on_failure="skip", placements=[["pi", "server"], ["pi"]], splits=[])
    process = start(*sweep_arguments(experiment, lab, bundles_folder))
    wait_for_trials(experiment, 3)
    workers["server"].kill()
    _, said = process.communicate(timeout=90)

    assert process.returncode == 1
    assert "gave up on server" in said
    assert "incomplete:" in said  # it came to its end, rather than broke off at the next cell
    assert "Traceback" not in said
    with Results.open(experiment.parent / "results.sqlite") as results:
        alone = {cell.id for cell in results.cells() if cell.devices == ("pi",)}
        assert {(cell, number) for cell in alone for number in (0, 1)} <= results.finished()


def test_ctrl_c_while_the_controller_starts_leaves_no_traceback(experiment: Path, lab: Path) -> None:
    for tenths in range(2, 9, 2):
        process = start(*sweep_arguments(experiment, lab, experiment.parent / "none"))
        time.sleep(tenths / 10)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said
