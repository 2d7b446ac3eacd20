"""Workers that die or stop at any point: named, void, waited for, and every trial is there in the end."""

import os
import signal
import time
from pathlib import Path

from controller.results import Results
from controller.results.check import run_check
from tests.integration.faults.lab import lab_of, sweeping, write_experiment
from tests.integration.faults.times import took


def test_a_worker_killed_at_any_point_is_named_and_waited_for(bundles_folder: Path, tmp_path: Path) -> None:
    write_experiment(tmp_path, on_failure="wait", splits=[1, 2, 3])
    with lab_of(tmp_path) as workers, sweeping(tmp_path, bundles_folder) as sweep:
        server = workers["server"]
        for count, point in enumerate(("loading", "computing", "sending", "idle"), 1):
            sweep.wait_finished(3 * count)
            if point == "idle":
                lost_at_s, words = server.kill(), ["server"]  # in a trial or at its sentinel
            else:
                server.arm(point)
                lost_at_s, words = server.fired_at_s(), ["void: ", "server", "exited"]
                server.process.wait()
            told_at_s, _ = sweep.line(*words, "waiting at most 20 s", after_s=lost_at_s)
            before = sweep.finished()
            server.start()
            took(f"worker killed while {point}", "detected", told_at_s - lost_at_s, at_most_s=3.0)
            back_at_s = time.monotonic()
            took(
                f"worker killed while {point}",
                "recovered after it was back",
                sweep.wait_finished(before + 1) - back_at_s,
                at_most_s=15.0,
            )
        assert sweep.end() == 0, sweep.said

    with Results.open(sweep.results) as results:
        assert len(results.finished()) == 5 * 2 * 2  # splits with both ends, depths, trials
        # On a busy machine a trial may break a law, for which no device is blamed.
        lost = [device for _, _, _, device, _ in results.voids() if device is not None]
        assert set(lost) == {"server"}
        assert len(lost) in {3, 4}
    assert run_check(sweep.results)


def test_a_worker_that_stands_still_is_not_waited_for_until_the_trial_times_out(
    bundles_folder: Path, tmp_path: Path
) -> None:
    write_experiment(tmp_path, on_failure="wait")
    with lab_of(tmp_path) as workers, sweeping(tmp_path, bundles_folder) as sweep:
        sweep.wait_finished(2)
        workers["server"].arm("recording", signal.SIGSTOP)
        stopped_at_s = workers["server"].fired_at_s()
        cause = "server: lost during a trial; not responding"
        told_at_s, _ = sweep.line("void: ", cause, after_s=stopped_at_s)
        took("worker stopped (SIGSTOP)", "detected", told_at_s - stopped_at_s, at_most_s=60.0)
        before = sweep.finished()
        os.kill(workers["server"].pid, signal.SIGCONT)
        on_at_s = time.monotonic()
        back_s = sweep.wait_finished(before + 1) - on_at_s
        took("worker stopped (SIGSTOP)", "recovered after SIGCONT", back_s, at_most_s=30.0)
        assert sweep.end() == 0, sweep.said
    assert run_check(sweep.results)


def test_a_device_that_stays_away_ends_a_sweep_that_waits(bundles_folder: Path, tmp_path: Path) -> None:
    write_experiment(tmp_path, on_failure="wait", wait_s=1)
    with lab_of(tmp_path) as workers:
        with sweeping(tmp_path, bundles_folder) as sweep:
            sweep.wait_finished(2)
            workers["server"].kill()
            assert sweep.end() == 2
            last = sweep.said[-1]
            assert last.startswith("error: server: ") and "waited 1 s" in last and "the same command" in last
        workers["server"].start()
        with sweeping(tmp_path, bundles_folder) as sweep:
            assert sweep.end() == 0, sweep.said
    assert sweep.finished() == 3 * 2 * 2
    assert run_check(sweep.results)
