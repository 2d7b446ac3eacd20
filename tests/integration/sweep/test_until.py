"""Trials until answers are sure: which cells get more of them, and when a sweep is over."""

import json
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from controller.results import Block, Look, Results, Store
from controller.sweep.stopping import StoppingRule
from exporter.bundle import export_null
from tests.integration.commands import Ended, analysis, controller, start, sweep, sweep_arguments
from tests.integration.labs import write_experiment
from tests.integration.sweep.sweeping import wait_for_trials

# Cut after the first or the second node nothing takes time, so noise alone tells the two apart; after the
# third it is 20 ms, and at the ends 20 and 40.
CLOSE = {"pi": {"node_ms": [0, 0, 20, 20]}, "server": {"node_ms": [20, 0, 0, 0]}}
LEAST, MOST = 2, 5


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    export_null(tmp_path / "bundles" / "null", (16, 16, 16, 16, 4))
    return tmp_path / "bundles"


def write(folder: Path, **keys: object) -> Path:
    trials = {"least": LEAST, "most": MOST, "until": 0.98}
    return write_experiment(
        folder, models=["null"], **({"splits": [1, 2, 3], "planted": CLOSE, "trials": trials} | keys)
    )


def trials_by_cut(folder: Path) -> dict[int, int]:
    with Results.open(folder / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        return Counter(cells[cell].cuts[0] for cell, _ in results.finished())


def looks(folder: Path) -> list[Look]:
    with Results.open(folder / "results.sqlite") as results:
        return results.rows(Look)


def test_a_split_that_is_clearly_worse_is_left_and_two_close_ones_go_on(
    lab: Path, bundles: Path, tmp_path: Path
) -> None:
    experiment = write(tmp_path)
    plan = json.loads(sweep(experiment, lab, bundles, "--dry-run", "--json").stdout)
    (part,) = plan["by_network"]
    assert (part["least_trials"], part["trials"], part["missing_trials"]) == (5 * LEAST, 5 * MOST, 5 * MOST)

    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    blocks = _is_as_planted(tmp_path)
    assert f"enough after {blocks} blocks" in done.stderr
    _is_over(experiment, lab, bundles, trials=4 * blocks + trials_by_cut(tmp_path)[3])


def test_a_clear_winner_takes_the_least_trials(lab: Path, bundles: Path, tmp_path: Path) -> None:
    trials = {"least": 2, "most": 9, "until": 0.9}
    experiment = write(tmp_path, splits=[2, 3], trials=trials, objectives=["throughput", "payload"])
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    assert set(trials_by_cut(tmp_path).values()) == {2}
    assert [(look.block, look.ended, look.open) for look in looks(tmp_path)] == [(2, "sure", ())]
    _is_over(experiment, lab, bundles, trials=4 * 2)
    told = json.loads(analysis("best", tmp_path / "results.sqlite", "--json").stdout)
    # Everything on the first device sends nothing.
    assert [(each["objective"], each["cuts"]) for each in told] == [("throughput", [2]), ("payload", [4])]


def test_a_resumed_sweep_decides_as_an_uninterrupted_one(lab: Path, bundles: Path, tmp_path: Path) -> None:
    experiment = write(tmp_path)
    # In the midst of a block for the sake of the answers.
    process = start(*sweep_arguments(experiment, lab, bundles))
    wait_for_trials(experiment, 5 * LEAST + 1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    with Results.open(tmp_path / "results.sqlite") as results:
        (unfinished,) = (block for block in results.rows(Block) if not block.whole)
    assert unfinished.number == LEAST
    _report_says(tmp_path, "The sweep is incomplete")

    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    _is_as_planted(tmp_path)
    # Each look again, from the trials before it alone.
    with Store.append(tmp_path / "results.sqlite") as store:
        wanted = replace(store.trials_wanted(), looks={})
        for look in store.rows(Look):
            assert StoppingRule(store, wanted, seed=0).look("ideal", look.block) == look


def _is_as_planted(folder: Path) -> int:
    """The close ones and the ends have had all blocks, the bad one fewer; returns how many there were."""
    *before, last = looks(folder)
    assert LEAST < last.block <= MOST
    trials = trials_by_cut(folder)
    assert [trials[cut] for cut in (0, 1, 2, 4)] == [last.block] * 4
    assert LEAST <= trials[3] < last.block
    assert [look.block for look in before] == list(range(LEAST, last.block))
    assert all(look.open and look.ended is None for look in before)
    # How close they come out is the machine's doing.
    assert last.ended in ("most trials", "same within 2 %", "sure")
    return last.block


def _is_over(experiment: Path, lab: Path, bundles: Path, trials: int) -> None:
    """Nothing more is run, and nothing is said to be missing."""
    assert "nothing to do" in sweep(experiment, lab, bundles).stderr
    plan = json.loads(sweep(experiment, lab, bundles, "--dry-run", "--json").stdout)
    (part,) = plan["by_network"]
    assert (part["missing_trials"], part["complete"]) == (0, True)
    path = experiment.parent / "results.sqlite"
    checked = controller("check", path)
    assert f"{trials} of {trials} trials finished" in checked.stdout, checked.stdout
    watched = controller("watch", path)
    assert "0 missing" in watched.stdout, watched.stdout
    written = _report_says(experiment.parent, "Every wanted trial is finished")
    assert "incomplete" not in written.stdout


def _report_says(folder: Path, text: str) -> Ended:
    written = analysis("report", folder / "results.sqlite", "--out", folder / "out", "--figures", "")
    assert written.returncode == 0, written.stderr
    assert text in (folder / "out" / "report.html").read_text(encoding="utf-8")
    return written
