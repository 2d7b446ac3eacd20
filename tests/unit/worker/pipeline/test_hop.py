"""A hop between two in-process links."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.unit.worker.tiny import link, shard_graph, tensors
from worker.inference.slowdown import Slowdown
from worker.inference.stage import BoundStage, Stage
from worker.links.cancel_scope import CancelScope
from worker.links.in_process import InProcessLink
from worker.links.slots import Slot, SlotPool
from worker.pipeline.hop import Hop, input_count
from worker.records import HOP, rows_of
from worker.wire.errors import FailedError, RefusedError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import LinkSpec

DEPTH = 2


class Rig:
    """Shard 2-3 (c = a + b), whose outlet takes c, or c and the a that it only passes on."""

    def __init__(self, *, passes_on: bool, keeps: int = 0) -> None:
        self.scope = CancelScope()
        leaving = tensors(3, 1) + (tensors(1, 1) if passes_on else ())
        out = LinkSpec(name="out", tensors=leaving)
        self.inlet = InProcessLink(link("in", 2, 1), DEPTH, self.scope, with_memory=True)
        self.outlet = InProcessLink(out, DEPTH, self.scope, with_memory=True)
        stage = Stage(shard_graph(2, 3), None, threads=1, label="shard 2-3")
        slowdown = Slowdown(1.0, self.scope.ended)
        bound = BoundStage(stage, LinkLayout(tensors(2, 1)), LinkLayout(leaving), slowdown=slowdown)
        self.hop = Hop(bound, self.inlet, self.outlet, self.scope, start=2, stop=3, keeps=keeps)
        self.hop.begin()

    def send(self, request: int, value: float) -> None:
        slot = self.inlet.pool.take()
        assert slot is not None
        for array in slot.arrays:
            array[:] = value
        slot.request = request
        self.inlet.send(slot)

    def receive(self) -> Slot:
        slot = self.outlet.receive()
        assert slot is not None
        return slot


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.scope.end()
        rig.hop.join()


def free_slots(pool: SlotPool) -> int:
    slots = list(iter(pool.take_now, None))
    for slot in slots:
        slot.give_back()
    return len(slots)


def test_requests_come_out_computed_in_order_and_recorded(rigs: list[Rig]) -> None:
    rigs.append(Rig(passes_on=False))
    rig = rigs[0]
    rig.send(0, 5.0)
    rig.receive().give_back()  # of a run before: request 0 begins another
    for request in range(6):
        rig.send(request, float(request))
        slot = rig.receive()
        assert slot.request == request
        assert slot.arrays[0].tolist() == np.full((1, 16), 2.0 * request).tolist()
        slot.give_back()
    rows = rows_of(rig.hop.take_rows(), HOP)
    assert rows["request"].tolist() == list(range(6))
    assert (rows["compute_s"] > 0).all()
    assert not rows["send_s"].any()
    assert (rows["compute_at_s"] >= rows["received_at_s"]).all()


def test_a_last_row_that_never_comes_is_an_error(rigs: list[Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than requests would pass for those of a shorter run."""
    monkeypatch.setattr("worker.pipeline.hop._LAST_ROW_S", 0.02)
    rigs.append(Rig(passes_on=False))
    rig = rigs[0]
    rig.send(0, 1.0)
    rig.receive().give_back()
    rig.hop._computed += 1
    with pytest.raises(FailedError, match="shard 2-3: 1 records are missing at the end of a run"):
        rig.hop.take_rows()
    rig.scope.end()
    with pytest.raises(FailedError, match="1 records are missing"):
        rig.hop.take_rows()


@pytest.mark.parametrize("passes_on", [False, True])
def test_memory_that_is_passed_on_is_not_reused_before_it_has_left(rigs: list[Rig], passes_on: bool) -> None:
    rigs.append(Rig(passes_on=passes_on))
    rig = rigs[0]
    rig.send(0, 1.0)
    leaving = rig.receive()
    assert free_slots(rig.inlet.pool) == (DEPTH if passes_on else DEPTH + 1)
    leaving.give_back()
    assert free_slots(rig.inlet.pool) == DEPTH + 1


def test_a_stage_that_fails_ends_the_pipeline(rigs: list[Rig]) -> None:
    rigs.append(Rig(passes_on=False))
    rig = rigs[0]
    causes: list[WorkerError | None] = []
    rig.scope.at_end(causes.append)
    slot = rig.inlet.pool.take()
    assert slot is not None
    slot.arrays = [np.zeros((1, 3), np.float32)] * 2
    rig.inlet.send(slot)
    assert rig.scope.ended.wait(5)
    rig.hop.join()
    assert "shard 2-3 cannot be run" in str(causes[0])
    assert rig.outlet.receive() is None


@pytest.mark.parametrize("passes_on", [False, True])
def test_a_stage_is_timed_on_the_first_requests_that_passed_it(rigs: list[Rig], passes_on: bool) -> None:
    rig = Rig(passes_on=passes_on, keeps=2)
    rigs.append(rig)
    with pytest.raises(RefusedError, match="shard 2-3 has kept no request to be timed on"):
        rig.hop.time_alone(lambda: False)
    for request in range(4):
        rig.send(request, float(request + 1))
        rig.receive().give_back()
    timed = {float(array[0, 0]) for slot in rig.hop._inputs for array in slot.arrays}
    assert timed == {1.0, 2.0}
    assert rig.hop.time_alone(lambda: False) > 0
    # It still computes what it gets.
    rig.send(4, 3.0)
    assert rig.receive().arrays[0].tolist() == [[6.0] * 16]


def test_large_inputs_are_kept_in_small_number() -> None:
    assert input_count(5, 1000) == 5
    assert input_count(5, 8 * 1024 * 1024) == 2
    assert input_count(5, 100 * 1024 * 1024) == 1
    assert input_count(0, 1000) == 0
