"""A controller that is killed again and again, anywhere: no trial is lost, none is there twice."""

import os
import random
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from controller.results import Results
from controller.results.check import run_check
from tests.integration.commands import WarmCommand, sweep_arguments
from tests.integration.faults.lab import finished, lab_of, write_experiment
from tests.integration.faults.times import took
from tests.integration.waiting import wait_until

KILLS = 20
SEED = int(os.environ.get("EDGECUT_FAULT_SEED", "6"))
DEPTHS, TRIALS = 5, 6


def test_a_controller_killed_again_and_again_loses_no_trial_and_repeats_none(
    bundles_folder: Path, tmp_path: Path
) -> None:
    """Where it is killed is random, from starting up to storing a trial; EDGECUT_FAULT_SEED=N chooses."""
    chance = random.Random(SEED)
    log = tmp_path / "controller.log"
    experiment = write_experiment(
        tmp_path,
        splits=[1, 2, 3],
        depths=list(range(1, DEPTHS + 1)),
        trials=TRIALS,
        requests=3,
        check_every=0,
        samples=8,
    )
    results = tmp_path / "results.sqlite"
    kept: set[tuple[str, int]] = set()
    recovered_s: list[float] = []
    command = sweep_arguments(experiment, tmp_path / "lab.json", bundles_folder)
    with lab_of(tmp_path), closing(WarmCommand("controller.__main__")) as controller:
        for kill in range(KILLS):
            begun_at_s = time.monotonic()
            pid = controller.begin(command, log, log)
            # Every third is killed while it starts up, the others some trials later.
            if kill % 3:
                has_more = partial(_has_more_than, results, kept)
                recovered_s.append(wait_until(has_more) - begun_at_s)
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(pid, signal.SIGKILL)
            assert controller.end() == -signal.SIGKILL, f"it ended by itself: kill {kill}, seed {SEED}"
            now = finished(results)
            assert kept <= now, f"trials were lost: kill {kill}, seed {SEED}"
            kept = now
        controller.begin(command, log, log)
        assert controller.end() == 0, f"seed {SEED}: {log.read_text()[-2000:]}"

    with Results.open(results) as opened:
        wanted = {(cell.id, number) for cell in opened.cells() for number in range(TRIALS)}
        assert len(wanted) == 5 * DEPTHS * TRIALS
        assert opened.finished() == wanted, f"seed {SEED}"
        (count,) = opened.connection.execute("SELECT count(*) FROM trial").fetchone()
        assert count == len(wanted), f"trials are there twice, or void: seed {SEED}"
    assert run_check(results), f"seed {SEED}"
    recovered_s.sort()
    # The slowest of them started an empty file, or came while another test had the processor.
    took(
        "controller killed",
        "first trial after the same command",
        recovered_s[len(recovered_s) // 2],
        at_most_s=5,
    )


def _has_more_than(results: Path, kept: set[tuple[str, int]]) -> bool:
    return finished(results) != kept
