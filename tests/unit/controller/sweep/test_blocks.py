"""Which block a sweep continues, and in which order it visits."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.results import SATURATING, Block, Cell, DeviceRow, Store
from controller.sweep.blocks import Blocks, unloaded_first

MANIFEST = '{"node_count": 60, "cut_points": []}'

CELL = Cell(
    model="tiny", bundle="b0", cuts=(2,), label="two", devices=("pi",), network="lan", shaping="emulated"
)
AT = "2026-01-01T00:00:00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "r.sqlite", name="t", text="t", seed=0, trials=3, created_at=AT)
    made.add_environment(AT, {}, [DeviceRow("pi", "local", 1.0, {})])
    made.add_bundle("b0", "tiny", MANIFEST)
    for position, network in enumerate(("lan", "wan")):
        made.add_network(network, position, "emulated", {})
    made.add(CELL)
    return made


@pytest.fixture
def blocks(store: Store, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    at(monkeypatch, "10:00")
    return Blocks(store, seed=1)


def at(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    monkeypatch.setattr("controller.sweep.blocks.now", lambda: f"2026-01-01T{clock}:00.000+00:00")


def test_each_network_counts_its_own_blocks(blocks: Blocks) -> None:
    for number in range(2):
        for network in ("lan", "wan"):
            block = blocks.begin(network)
            assert (block.network, block.number) == (network, number)
            blocks.finish(block)


def test_an_unfinished_block_goes_on_within_ten_minutes_of_its_last_trial(
    blocks: Blocks, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = blocks.begin("lan")
    at(monkeypatch, "10:09")
    assert blocks.begin("lan") == begun
    # A void trial is a sign of life too.
    store.add_void(CELL.id, 0, 1, "2026-01-01T10:09:00.000+00:00", "pi: lost", "pi")
    at(monkeypatch, "10:18")
    assert blocks.begin("lan") == begun
    at(monkeypatch, "10:20")
    assert blocks.begin("lan").number == 1
    assert [(b.number, b.whole) for b in store.rows(Block, network="lan")] == [(0, False), (1, False)]


def test_a_whole_block_does_not_go_on(blocks: Blocks, store: Store) -> None:
    blocks.finish(blocks.begin("lan"))
    assert blocks.begin("lan").number == 1
    assert [b.whole for b in store.rows(Block, network="lan")] == [True, False]


def test_the_order_is_random_and_repeats_with_the_seed(blocks: Blocks, store: Store) -> None:
    first, visits = blocks.begin("lan"), list(range(20))
    order = blocks.shuffled(first, visits)
    assert sorted(order) == visits != order
    assert Blocks(store, seed=1).shuffled(first, visits) == order
    assert Blocks(store, seed=2).shuffled(first, visits) != order
    blocks.finish(first)
    assert blocks.shuffled(blocks.begin("lan"), visits) != order


def test_a_depth_is_found_after_the_trial_that_predicts_it_and_all_else_keeps_its_place() -> None:
    other = replace(CELL, cuts=(3,))
    auto, other_auto = (replace(cell, depth=0, role=SATURATING) for cell in (CELL, other))
    order = [auto, "pi alone", other, CELL, other_auto, replace(CELL, depth=4)]
    assert unloaded_first(order, ()) == [CELL, "pi alone", other, auto, other_auto, replace(CELL, depth=4)]
    assert unloaded_first(order, {auto.id}) == order
    assert unloaded_first(order[:3], ()) == order[:3]
