"""A hop between two in-process links."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.unit.worker.tiny import link, shard_graph, tensors
from worker.inference.stage import BoundStage, Stage
from worker.links.cancel_scope import CancelScope
from worker.links.in_process import InProcessLink
from worker.links.slots import Slot, SlotPool
from worker.pipeline.hop import Hop
from worker.records import HOP, rows_of
from worker.wire.errors import WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import LinkSpec

DEPTH = 2


class Rig:
    """Shard 2-3 (c = a + b), whose outlet takes c, or c and the a that it only passes on."""

    def __init__(self, *, passes_on: bool) -> None:
        self.scope = CancelScope()
        leaving = tensors(3, 1) + (tensors(1, 1) if passes_on else ())
        out = LinkSpec(name="out", tensors=leaving)
        self.inlet = InProcessLink(link("in", 2, 1), DEPTH, self.scope, with_memory=True)
        self.outlet = InProcessLink(out, DEPTH, self.scope, with_memory=True)
        stage = Stage(shard_graph(2, 3), None, threads=1, label="shard 2-3")
        bound = BoundStage(
            stage, LinkLayout(tensors(2, 1)), LinkLayout(leaving), slowdown=1.0, ended=self.scope.ended
        )
        self.hop = Hop(bound, self.inlet, self.outlet, self.scope, start=2, stop=3)
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
