"""`--time-budget` against real workers."""

from collections import Counter
from pathlib import Path

import pytest

from controller.results import Block, Results, Scope
from tests.integration.labs import LabWorker, add, write_lab
from tests.integration.sweep.search.conftest import Sweep


@pytest.mark.slow
def test_a_time_budget_measures_what_it_has_time_for_and_says_what_it_left_out(
    run: Sweep, experiment: Path
) -> None:
    # A second at least for each trial that crosses the link alone: there is no time for all of them.
    add(experiment, requests=100)
    short = run("--network", "slow", "--time-budget", "1s")
    assert short.returncode == 3, short.stderr
    assert "time budget used up" in short.stderr
    assert "cells left out; run the same command to resume" in short.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        (scope,) = results.rows(Scope)
        cells = results.cells()
        done = results.finished()
        blocks = results.rows(Block)
    assert 1 <= len(done) <= 2 * len(cells)
    assert all(number < len(blocks) for _, number in done)
    assert (scope.how, scope.cells, scope.ended) == ("time budget", 10, "time spent")
    assert 2 <= len(cells) < 10

    long = run("--network", "slow", "--time-budget", "1h")
    assert long.returncode == 0, long.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert [scope.ended for scope in results.rows(Scope)] == ["all measured"]
        finished = results.finished()
        ends = {cell.id for cell in results.cells() if set(cell.cuts) in ({0}, {4})}
        whole_blocks = {block.number for block in results.rows(Block) if block.whole}
    trials = Counter(cell for cell, _ in finished)
    # What others are compared through: no block without the ends, once they have joined.
    of_others = {number for cell, number in finished if cell not in ends}
    for end in ends:
        own = {number for cell, number in finished if cell == end}
        assert {number for number in whole_blocks & of_others if number > min(own)} <= own
    assert len(trials) == 10
    assert min(trials.values()) == 2

    # Without a budget all of the experiment is wanted, as ever.
    whole = run()
    assert whole.returncode == 0, whole.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert results.rows(Scope) == []
        trials = Counter(cell for cell, _ in results.finished())
    assert len(trials) == 20
    assert min(trials.values()) == 2


@pytest.mark.slow
def test_a_device_that_is_not_there_costs_its_own_cells_alone(
    run: Sweep, experiment: Path, standing: dict[str, LabWorker], tmp_path: Path
) -> None:
    gone = standing["pi"].device() | {"name": "gone", "control_port": 1, "data_port": 2}
    write_lab(tmp_path, [standing["pi"], standing["server"], gone])
    add(experiment, placements=[["pi", "server"], ["pi", "gone"]], splits=[], on_failure="skip", wait_s=0)
    ended = run("--network", "slow", "--time-budget", "1h")
    assert ended.returncode == 1, ended.stderr
    assert "gave up on gone" in ended.stderr
    assert "Traceback" not in ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        there = {cell.id for cell in results.cells() if "gone" not in cell.devices}
        assert len(there) == 4
        assert {(cell, number) for cell in there for number in (0, 1)} == results.finished()


@pytest.mark.parametrize("asked", ["soon", "0s", "-5m", "20"])
def test_a_duration_that_is_none(run: Sweep, asked: str) -> None:
    refused = run("--time-budget", asked)
    assert refused.returncode == 2
    said = f"error: --time-budget {asked}: write hours, minutes or seconds, as in 1h30m, 20m or 90s\n"
    assert refused.stderr == said
