"""Readers of a file to which a search adds a cell and its trial just then."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.data.sweep import load
from controller.live.follower import Follower
from controller.results import Cell, Results, Store
from tests.unit.analysis.synthetic import write_sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "r.sqlite", trials=1, cuts=(0, 60))


@pytest.fixture
def added(results: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    """The cell that another process adds with a trial whenever the cells have been read."""
    cells = Results.cells
    with Store.append(results) as store:
        cell = cells(store)[0]
        more = replace(cell, cuts=(30,))
        trial = replace(next(store.trials(cell.id)), cell=more.id)

        def cells_before(self: Results) -> list[Cell]:
            known = cells(self)
            if (more.id, trial.number) not in store.finished():
                store.add(more)
                store.add_trial(trial)
            return known

        monkeypatch.setattr(Results, "cells", cells_before)
        yield more


def test_a_report_is_of_one_state_of_the_file(results: Path, added: Cell) -> None:
    before = load(results)
    assert before.finished == len(before.cells)
    after = load(results)
    assert {cell.cell.id for cell in after.cells} - {cell.cell.id for cell in before.cells} == {added.id}
    assert after.finished == len(after.cells)


def test_a_viewer_sees_a_new_cell_at_the_next_look(results: Path, added: Cell) -> None:
    follower = Follower(results)
    follower.look()
    assert follower.snapshot is not None and added.id not in follower.snapshot.cells
    before = follower.snapshot.finished_trials()
    follower.look()
    assert added.id in follower.snapshot.cells
    assert follower.snapshot.finished_trials() == before + 1
