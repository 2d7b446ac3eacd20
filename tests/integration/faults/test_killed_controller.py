"""A controller that is killed again and again, anywhere: no trial is lost, none is there twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.results import Results
from controller.results.check import run_check
from tests.integration.faults.lab import finished, lab_of, write_experiment
from tests.integration.faults.times import took

KILLS = 50
SEED = int(os.environ.get("EDGECUT_FAULT_SEED", "6"))
DEPTHS, TRIALS = 6, 12
_WARM = Path(__file__).with_name("warm_controller.py")


class WarmController:
    """The controller's command line, a process each time, started in milliseconds."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._arguments = arguments
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(_WARM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
            )

    def begin(self) -> int:
        """Start one; its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._arguments) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for it; its exit code."""
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


@contextmanager
def warm_controller(folder: Path, bundles: Path) -> Iterator[WarmController]:
    arguments = ["sweep", str(folder / "experiment.yml"), "--lab", str(folder / "lab.json")]
    arguments += ["--bundles", str(bundles), "--results", str(folder / "results.sqlite")]
    warm = WarmController(arguments, folder / "controller.log")
    try:
        yield warm
    finally:
        warm.close()


def test_a_controller_killed_fifty_times_loses_no_trial_and_repeats_none(
    bundles_folder: Path, tmp_path: Path
) -> None:
    """Where it is killed is random, from starting up to storing a trial; EDGECUT_FAULT_SEED=N chooses."""
    chance = random.Random(SEED)
    write_experiment(
        tmp_path, depths=list(range(1, DEPTHS + 1)), trials=TRIALS, requests=3, check_every=0, samples=8
    )
    results = tmp_path / "results.sqlite"
    kept: set[tuple[str, int]] = set()
    recovered_s: list[float] = []
    with lab_of(tmp_path), warm_controller(tmp_path, bundles_folder) as controller:
        for kill in range(KILLS):
            begun_at_s = time.monotonic()
            pid = controller.begin()
            # Every third is killed while it starts up, the others some trials later.
            if kill % 3:
                while finished(results) == kept:
                    time.sleep(0.005)
                recovered_s.append(time.monotonic() - begun_at_s)
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(pid, signal.SIGKILL)
            assert controller.end() == -signal.SIGKILL, f"it ended by itself: kill {kill}, seed {SEED}"
            now = finished(results)
            assert kept <= now, f"trials were lost: kill {kill}, seed {SEED}"
            kept = now
        controller.begin()
        assert controller.end() == 0, f"seed {SEED}: {(tmp_path / 'controller.log').read_text()[-2000:]}"

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
