"""Trials until answers are sure: which cells get more of them, and when a sweep is over.

Planted times say what is true: which splits are equal, by how much the others are slower, and how much a
figure varies from trial to trial.
"""

import json
import re
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from controller.console import Screen
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.results import Block, Cell, Look, Results, Scope, Store, Trial
from controller.sweep.runner import run_sweep
from controller.sweep.stopping import StoppingRule
from exporter.bundle import export_null
from tests.integration.commands import Ended, analysis, controller, start, sweep, sweep_arguments
from tests.integration.labs import write_experiment
from tests.integration.sweep.sweeping import wait_for_trials

# Cut after the first or the second node a request takes 5 ms on pi, after the third 35 ms; at the ends 35 ms.
# On pi each request takes a quarter of that to four times as long, so the median of 11 varies by some 30 %
# from trial to trial: the two equal splits cannot be told to be within 2 %, and the others are far off.
NOISE = [[2 ** (step / 4), 1] for step in range(-8, 9)]
CLOSE = {"pi": {"node_ms": [5, 0, 30, 0], "modes": NOISE}, "server": {"node_ms": [35, 0, 0, 0]}}
CLEAR = {"pi": {"node_ms": [5, 0, 30, 0]}, "server": {"node_ms": [35, 0, 0, 0]}}
LEAST, MOST = 3, 5


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    export_null(tmp_path / "bundles" / "null", (16, 16, 16, 16, 4))
    return tmp_path / "bundles"


def write(folder: Path, **keys: object) -> Path:
    trials = {"least": LEAST, "most": MOST, "until": 0.99}
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


class Told(Screen):
    """Keeps the progress lines that a sweep shows."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(
        self,
        network: str,
        done: int,
        total: int,
        doing: str,
        left_s: float | None = None,
        *,
        is_most: bool = False,
    ) -> None:
        self.lines.append(f"{network}: {done}/{total}  {doing}{', at most' * is_most}")

    def running(self, cell: Cell, number: int) -> None:
        pass

    def finished(self, cell: Cell, trial: Trial) -> None:
        pass

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_split_that_is_clearly_worse_is_left_and_two_equal_ones_go_on(
    lab: Path, bundles: Path, tmp_path: Path
) -> None:
    experiment = write(tmp_path)
    plan = json.loads(sweep(experiment, lab, bundles, "--dry-run", "--json").stdout)
    (part,) = plan["by_network"]
    assert (part["least_trials"], part["trials"], part["missing_trials"]) == (5 * LEAST, 5 * MOST, 5 * MOST)

    told = Told()
    resolved = resolve(experiment, load_lab(lab), bundles_folder=bundles)
    path = tmp_path / "results.sqlite"
    with Store.create(
        path, name="t", text=resolved.text, seed=0, trials=MOST, least=LEAST, until=0.99, created_at=""
    ) as store:
        outcome = run_sweep(resolved, ["ideal"], store, told)
    assert outcome.exit_code == 0
    _is_as_planted(tmp_path)
    # From the first look on some cells are open, and the total leaves the bad one out.
    progress = _progress(told.lines)
    last = looks(tmp_path)[-1].block
    assert {block for block, _, _ in progress} == set(range(1, last + 1))
    assert all((cells is None) == (block <= LEAST) for block, cells, _ in progress)
    assert {total for block, _, total in progress if block <= LEAST} == {5 * MOST}
    assert all(total < 5 * MOST for block, _, total in progress if block > LEAST)
    assert f"ideal: enough after {last} blocks: " in "\n".join(told.lines)
    _is_over(experiment, lab, bundles, trials=sum(trials_by_cut(tmp_path).values()))


def _progress(lines: list[str]) -> set[tuple[int, int | None, int]]:
    """The block, the cells that are open, and the most trials, of each line before a trial."""
    form = (
        r"ideal: \d+/(\d+)  block (\d), up to 5(?:; (\d+) cells could still change an answer)?, .*, at most"
    )
    found = [match.groups() for line in lines if (match := re.fullmatch(form, line))]
    return {(int(block), int(cells) if cells else None, int(total)) for total, block, cells in found}


def test_a_clear_winner_takes_the_least_trials(lab: Path, bundles: Path, tmp_path: Path) -> None:
    trials = {"least": 2, "most": 9, "until": 0.9}
    objectives = ["throughput", "payload"]
    experiment = write(tmp_path, splits=[2, 3], planted=CLEAR, trials=trials, objectives=objectives)
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
    _looks_follow_from_blocks(tmp_path)


def test_a_time_budget_ends_in_the_midst_and_later_the_same_answers_decide(
    lab: Path, bundles: Path, tmp_path: Path
) -> None:
    experiment = write(tmp_path)
    short = sweep(experiment, lab, bundles, "--time-budget", "3s")
    assert short.returncode == 3, short.stderr
    assert "time budget used up" in short.stderr
    assert all(look.ended is None for look in looks(tmp_path))
    with Results.open(tmp_path / "results.sqlite") as results:
        assert [scope.ended for scope in results.rows(Scope)] == ["time spent"]

    long = sweep(experiment, lab, bundles, "--time-budget", "1h")
    assert long.returncode == 0, long.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        assert [scope.ended for scope in results.rows(Scope)] == ["all measured"]
    trials = trials_by_cut(tmp_path)
    assert set(trials) == {0, 1, 2, 3, 4}
    assert MOST >= max(trials[1], trials[2]) > trials[3] >= LEAST
    _looks_follow_from_blocks(tmp_path)
    _is_over(experiment, lab, bundles, trials=sum(trials.values()))


@pytest.mark.slow
def test_cells_that_a_planned_search_adds_have_their_least_trials_before_answers_decide(
    lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    """A search predicts no planted times. Over this link nothing else is as fast as everything on pi."""
    trials = {"least": 2, "most": 4, "until": 0.95}
    experiment = write_experiment(
        tmp_path, "slow: {delay_ms: 20}\n", depths=[1, 4], trials=trials, search="planned"
    )
    folder = str(tmp_path / "profiles")
    done = sweep(experiment, lab, bundles_folder, "--device-profiles", folder)
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        (scope,) = results.rows(Scope)
        counts = Counter(cell for cell, _ in results.finished())
        assert counts.keys() == {cell.id for cell in results.cells()}
    assert scope.over
    assert min(counts.values()) >= 2
    *before, last = looks(tmp_path)
    assert last.ended == "sure" and not any(look.ended for look in before)
    _looks_follow_from_blocks(tmp_path, "slow")
    again = sweep(experiment, lab, bundles_folder, "--device-profiles", folder)
    assert "nothing to do" in again.stderr


def _is_as_planted(folder: Path) -> None:
    """The ends and one of the equal ones, or both, have had all blocks, the bad one fewer.

    By a rare chance the equal ones look different.
    """
    counts = trials_by_cut(folder)
    *before, last = looks(folder)
    assert [look.block for look in before] == list(range(LEAST, last.block))
    assert all(look.open and look.ended is None for look in before)
    assert (last.open, last.ended) == ((), "most trials" if last.block == MOST else "sure")
    assert counts[0] == counts[4] == max(counts[1], counts[2]) == last.block
    assert LEAST <= counts[3] < last.block


def _looks_follow_from_blocks(folder: Path, network: str = "ideal") -> None:
    """Each look again, from the trials before it alone."""
    with Store.append(folder / "results.sqlite") as store:
        wanted = replace(store.trials_wanted(), looks={})
        rows = store.rows(Look)
        assert rows
        for look in rows:
            assert StoppingRule(store, wanted).look(network, look.block) == look


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
    written = _report_says(experiment.parent, "All requested trials are finished")
    assert "incomplete" not in written.stdout


def _report_says(folder: Path, text: str) -> Ended:
    written = analysis("report", folder / "results.sqlite", "--out", folder / "out", "--figures", "")
    assert written.returncode == 0, written.stderr
    assert text in (folder / "out" / "report.html").read_text(encoding="utf-8")
    return written
