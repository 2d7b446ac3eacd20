"""Choosing cells by prediction, with trials that a model of two devices makes up; real files, no devices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from controller.results import Cell, Results, Store
from controller.results.pareto import Point, hypervolume
from controller.sweep.search.candidates import Candidate, candidates_of, measured_point
from controller.sweep.search.front_search import Search
from controller.sweep.search.order import AdaptiveOrder, Order
from tests.unit.analysis.synthetic import AT, BUNDLE, NODES, Physics, run_trial, write_sweep

MANIFEST = '{"node_count": 60, "cut_points": []}'

TRIALS = 3
REQUESTS = {1: 11, 4: 24}


class Lab:
    """A results file that cells are run into, and what an exhaustive sweep of `lan` found."""

    def __init__(self, folder: Path, noise: float = 0.05) -> None:
        with Results.open(write_sweep(folder / "exhaustive.sqlite")) as whole:
            self.cells = [cell for cell in whole.cells() if cell.network == "lan"]
            self.truth = {c.id: measured_point(c, whole) for c in candidates_of(self.cells)}
        rng = np.random.default_rng(3)
        self.off = {identity: rng.uniform(1 - noise, 1 + noise, 2) for identity in self.truth}
        self.store = Store.create(
            folder / "r.sqlite", name="t", text="t", seed=0, trials=TRIALS, created_at=AT
        )
        self.store.add_environment(AT, {}, [])
        self.store.add_bundle(BUNDLE, "mobilenet_v2", MANIFEST)
        self.store.add_network("lan", 0, "emulated", {})

    def order(self, *, most: int, to_the_end: bool = False) -> AdaptiveOrder:
        """As a new call of the sweep has it."""
        predicted: dict[Candidate, Point] = {}
        for candidate in candidates_of(self.cells):
            latency_s, sample_s = self.truth[candidate.id] or (1.0, 1.0)
            off = self.off[candidate.id]
            # All predicted half as fast again as it is, and a little apart.
            predicted[candidate] = 1.5 * latency_s * off[0], 1.5 * sample_s * off[1]
        search = Search(
            predicted, most, place=lambda candidate: candidate.place(NODES), to_the_end=to_the_end
        )
        begun = {cell.id for cell in self.store.cells()}
        return AdaptiveOrder([search], begun, self.store, in_time=to_the_end)

    def run(self, cell: Cell, number: int = 0) -> None:
        """Its trial in a block."""
        rng = np.random.default_rng((int(cell.id, 16), number))
        self.store.add_trial(run_trial(cell, number, REQUESTS[cell.depth], Physics(), rng))

    def search(self, order: AdaptiveOrder) -> None:
        """Cells that join are visited once; those that joined before are visited no more."""
        while cells := order.next_cells(everything):
            self.store.add(*cells)
            finished = {cell for cell, _ in self.store.finished()}
            for cell in cells:
                if cell.id not in finished:
                    self.run(cell)


def everything(_cells: Sequence[Cell]) -> bool:
    return True


def test_a_fifth_of_the_cells_finds_the_front(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = lab.order(most=len(lab.truth) // 5)
    lab.search(order)
    chosen = lab.store.cells()
    assert len(chosen) <= len(lab.cells) / 5
    assert {(c.cuts, c.depth) for c in chosen} == {(c.cuts, d) for c in chosen for d in (1, 4)}
    truth = [point for point in lab.truth.values() if point]
    found = [point for c in candidates_of(chosen) if (point := lab.truth[c.id])]
    reference = max(p[0] for p in truth), max(p[1] for p in truth)
    assert hypervolume(found, reference) >= 0.98 * hypervolume(truth, reference)
    scope = order.scope("lan", None)
    assert scope.cells == len(lab.cells)
    assert scope.ended in ("front stands", "share measured")
    assert scope.splits == {BUNDLE: len(lab.truth)}


def test_what_was_predicted_is_told_of_every_cell_that_is_given(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = lab.order(most=6)
    cells = order.next_cells(everything)
    predicted = {p.cell: p.seconds for p in order.predicted()}
    assert set(predicted) == {cell.id for cell in cells}
    for candidate in candidates_of(cells):
        truth = lab.truth[candidate.id] or (0.0, 0.0)
        off = lab.off[candidate.id]
        assert predicted[candidate.shallow.id] == 1.5 * truth[0] * off[0]
        assert predicted[candidate.deep.id] == 1.5 * truth[1] * off[1]
    # What is only estimated is no prediction.
    rough = lab.order(most=6, to_the_end=True)
    assert rough.next_cells(everything)
    assert not rough.predicted()


def test_who_takes_it_up_in_the_middle_of_a_round_chooses_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    uninterrupted, stopped = Lab(tmp_path / "one", 0.3), Lab(tmp_path / "other", 0.3)
    most = len(uninterrupted.truth) // 5
    uninterrupted.search(uninterrupted.order(most=most))

    order = stopped.order(most=most)
    cells = order.next_cells(everything)
    stopped.store.add(*cells)
    # One split is measured: it would correct predictions, and so choose others, before its round is over.
    for cell in cells[:3]:
        stopped.run(cell)
    again = stopped.order(most=most)
    first = again.next_cells(everything)
    assert {cell.id for cell in first} == {cell.id for cell in cells[2:]}
    for cell in cells[3:]:
        stopped.run(cell)
    stopped.search(again)
    assert {c.id for c in stopped.store.cells()} == {c.id for c in uninterrupted.store.cells()}


def test_what_fails_is_not_chosen_twice_and_something_else_is(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = lab.order(most=6)
    failed = {cell.cuts for cell in order.next_cells(everything)}
    others = {cell.cuts for cell in order.next_cells(everything)}
    assert failed
    assert others
    assert not failed & others


def test_to_the_end_every_cell_is_run_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = lab.order(most=len(lab.truth), to_the_end=True)
    lab.search(order)
    assert {c.id for c in lab.store.cells()} == {c.id for c in lab.cells}
    assert order.scope("lan", None).ended == "all measured"
    assert not order.ahead()


def test_with_little_time_the_most_promising_join_first_and_others_once_there_is_time(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = lab.order(most=len(lab.truth), to_the_end=True)

    def fits(cells: Sequence[Cell]) -> bool:
        return len(cells) <= 4

    first = order.next_cells(fits)
    assert len(first) == 4
    lab.store.add(*first)
    for cell in first:
        lab.run(cell)
    assert not order.next_cells(lambda _cells: False)
    second = order.next_cells(fits)
    assert len(second) == 4
    assert not set(first) & set(second)


def test_at_the_beginning_one_joins_however_little_time_there_is(tmp_path: Path) -> None:
    order = Lab(tmp_path).order(most=6, to_the_end=True)
    assert len(order.next_cells(lambda _cells: False)) == 2


def test_all_cells_join_at_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    order = Order(lab.cells)
    assert list(order.next_cells(everything)) == lab.cells
    assert not order.next_cells(everything)
