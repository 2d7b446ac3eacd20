"""Stages run from slots into slots, in ONNX Runtime, without a copy."""

from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.unit.worker.tiny import WIDTH, TinyBundle, make_model, shard_graph, tensors
from worker.inference.slowdown import Slowdown
from worker.inference.stage import BoundStage, Stage
from worker.links.slots import Slot, SlotPool
from worker.wire.errors import FailedError, RefusedError
from worker.wire.frames import LinkLayout
from worker.wire.messages import TensorSpec


def load(bundle: TinyBundle, folder: Path, start: int, stop: int, *, with_passed_on: bool = True) -> Stage:
    (folder / "weights.bin").write_bytes(bundle.files["weights.bin"])
    graph = shard_graph(start, stop, with_passed_on=with_passed_on)
    return Stage(graph, folder, threads=1, label=f"shard {start}-{stop}")


def bind(stage: Stage, inlet: LinkLayout, outlet: LinkLayout) -> BoundStage:
    return BoundStage(stage, inlet, outlet, slowdown=Slowdown(1.0, Event()))


def spec(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


@pytest.mark.parametrize("with_passed_on", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_tensor_that_only_passes_is_handed_on_as_it_is(
    tiny_bundle: TinyBundle, tmp_path: Path, batch: int, with_passed_on: bool
) -> None:
    # The shard 1-2 takes a and gives a and b: whether or not the graph lists a as an output.
    stage = load(tiny_bundle, tmp_path, 1, 2, with_passed_on=with_passed_on)
    inlet, outlet = LinkLayout(tensors(1, batch)), LinkLayout(tensors(2, batch))
    arrived, leaving = SlotPool(inlet, 0).take(), SlotPool(outlet, 0).take()
    assert arrived is not None
    assert leaving is not None
    np.copyto(arrived.arrays[0], np.maximum(tiny_bundle.inputs[:batch], 0))

    bind(stage, inlet, outlet).run(arrived, leaving)

    a, b = (np.asarray(array, np.float32) for array in leaving.arrays)
    assert leaving.arrays[0] is arrived.arrays[0]
    assert leaving.buffers[1] is arrived.buffers[1]
    weights = np.frombuffer(tiny_bundle.files["weights.bin"], np.float32).reshape(WIDTH, WIDTH)
    np.testing.assert_allclose(b, a @ weights, rtol=1e-4, atol=1e-5)


def test_results_are_written_into_the_slot_and_slots_do_not_mix(
    tiny_bundle: TinyBundle, tmp_path: Path
) -> None:
    stage = load(tiny_bundle, tmp_path, 0, 4)
    inlet, outlet = LinkLayout(tensors(0, 1)), LinkLayout(tensors(4, 1))
    bound = bind(stage, inlet, outlet)
    arriving, leaving = SlotPool(inlet, 2), SlotPool(outlet, 1)
    memory = {id(slot): slot.arrays[0] for slot in _all(leaving)}
    results = []
    # Three slots arrive in turn, two leave: every pairing comes up.
    for index in range(12):
        arrived, result = arriving.take(), leaving.take()
        assert arrived is not None
        assert result is not None
        np.copyto(arrived.arrays[0], tiny_bundle.inputs[index % 6 : index % 6 + 1])
        bound.run(arrived, result)
        assert result.arrays[0] is memory[id(result)]
        results.append(np.array(result.arrays[0], np.float32))
        arrived.give_back()
        result.give_back()
    np.testing.assert_allclose(np.concatenate(results)[:6], tiny_bundle.answers, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(results[:6], results[6:])


def _all(pool: SlotPool) -> list[Slot]:
    slots = []
    while (slot := pool.take_now()) is not None:
        slots.append(slot)
    for slot in slots:
        slot.give_back()
    return slots


@pytest.mark.parametrize("operator", ["Flatten", "Identity", "Dropout"])
def test_operators_that_onnx_runtime_may_leave_out_still_write_their_output(operator: str) -> None:
    shape = (2, 12) if operator == "Flatten" else (2, 3, 4)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *shape[1:]])],
    )
    inlet, outlet = LinkLayout([spec("x", 2, 3, 4)]), LinkLayout([spec("y", *shape)])
    arrived, leaving = SlotPool(inlet, 0).take(), SlotPool(outlet, 0).take()
    assert arrived is not None
    assert leaving is not None
    np.copyto(arrived.arrays[0], np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    bind(Stage(make_model(graph), None, threads=1, label="g"), inlet, outlet).run(arrived, leaving)
    assert leaving.arrays[0].ravel().tolist() == list(range(24))


def test_slots_are_aligned_for_vector_instructions() -> None:
    pool = SlotPool(LinkLayout([spec("a", 3, dtype="int8"), spec("b", 5), spec("c", dtype="int64")]), 4)
    for slot in iter(pool.take_now, None):
        assert [array.ctypes.data % 64 for array in slot.arrays] == [0, 0, 0]
        assert [len(buffer) for buffer in slot.buffers[1:]] == [3, 20, 8]


@pytest.mark.parametrize(
    ("inlet", "outlet", "told"),
    [
        ([spec("z", 1, 16)], [spec("a", 1, 16)], "needs x, which its inlet does not carry"),
        ([spec("x", 1, 16)], [spec("z", 1, 16)], "does not produce z, which its outlet carries"),
        ([spec("x", 1, 17)], [spec("a", 1, 16)], "x has shape .*, not .1, 17."),
        ([spec("x", 1, 16)], [spec("a", 16)], "a has shape .*, not .16."),
        ([spec("x", 1, 16, dtype="float64")], [spec("a", 1, 16)], "x is float32, not float64"),
        (
            [spec("x", 1, 16), spec("s", 1, 2)],
            [spec("a", 1, 16), spec("s", 1, 3)],
            "s comes in one shape and leaves",
        ),
    ],
)
def test_links_that_do_not_fit_the_shard_are_refused_by_name(
    inlet: list[TensorSpec], outlet: list[TensorSpec], told: str
) -> None:
    stage = Stage(shard_graph(0, 1), None, threads=1, label="shard 0-1")
    with pytest.raises(RefusedError, match=f"shard 0-1.*{told}"):
        bind(stage, LinkLayout(inlet), LinkLayout(outlet))


def test_an_outlet_of_another_batch_fails_when_run() -> None:
    stage = Stage(shard_graph(0, 1), None, threads=1, label="shard 0-1")
    inlet, outlet = LinkLayout(tensors(0, 2)), LinkLayout(tensors(1, 3))
    with pytest.raises(FailedError, match="shard 0-1 cannot be run: .*.2,16."):
        bind(stage, inlet, outlet).run(SlotPool(inlet, 0).slots[0], SlotPool(outlet, 0).slots[0])


class PlantedTimes:
    """A clock, and a stage whose runs take stated times on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *takes_s: float) -> None:
        self.now_s = 1000.0
        self._takes_s = iter(takes_s)
        for module in ("worker.clock", "worker.inference.stage"):
            monkeypatch.setattr(f"{module}.clock", lambda: self.now_s)
        for module in ("worker.clock", "worker.inference.slowdown"):
            monkeypatch.setattr(f"{module}.sleep_until", self._sleep_until)
        stage = Stage(shard_graph(0, 1), None, threads=1, label="shard 0-1")
        stage.session = self
        inlet, outlet = LinkLayout(tensors(0, 1)), LinkLayout(tensors(1, 1))
        self.slowdown = Slowdown(3.0, Event())
        self.bound = BoundStage(stage, inlet, outlet, slowdown=self.slowdown)
        self._slots = SlotPool(inlet, 0).slots[0], SlotPool(outlet, 0).slots[0]
        self.inputs = SlotPool(inlet, 2).slots
        self.ran: list[object] = []

    def _sleep_until(self, at_s: float, _ended: Event) -> bool:
        self.now_s = max(self.now_s, at_s)
        return True

    def io_binding(self) -> Any:
        return Mock()

    def run_with_iobinding(self, binding: object) -> None:
        self.ran.append(binding)
        self.now_s += next(self._takes_s)

    def run(self) -> float:
        began_s = self.now_s
        self.bound.run(*self._slots)
        return self.now_s - began_s


def test_a_slowed_stage_takes_a_multiple_of_its_time_alone_whatever_a_run_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The second and third run are stretched by contention, the fourth beyond what the stage takes slowed.
    planted = PlantedTimes(monkeypatch, 0.010, 0.015, 0.029, 0.040)
    planted.slowdown.fix(0.010)
    assert [planted.run() for _ in range(4)] == pytest.approx([0.030, 0.030, 0.030, 0.040])


def test_a_slowed_stage_whose_time_varies_multiplies_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PlantedTimes(monkeypatch, 0.010, 0.015)
    assert [planted.run() for _ in range(2)] == pytest.approx([0.030, 0.045])


def test_the_time_alone_is_a_mean_over_all_inputs_alike_the_slowdown_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A run to warm up, then two rounds: five runs at least, each input as often.
    planted = PlantedTimes(monkeypatch, 0.5, 0.001, 0.011, 0.009, 0.012, 0.018, 0.018)
    assert planted.bound.time_alone(planted.inputs, lambda: False) == pytest.approx(3 * 0.069 / 6)
    # Each input has a binding of its own: two rounds of three.
    assert planted.ran[1:4] == planted.ran[4:7]
    assert len(set(map(id, planted.ran[1:4]))) == 3


def test_a_short_stage_is_timed_for_a_fifth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PlantedTimes(monkeypatch, *[0.001] * 100)
    planted.bound.time_alone(planted.inputs, lambda: False)
    assert 3 * 0.001 * (len(planted.ran) - 1) == pytest.approx(0.2, abs=0.01)


def test_the_time_at_full_speed_is_that_alone_without_the_slowdown_and_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = PlantedTimes(monkeypatch, 0.5, *[0.040] * 5, 0.052, 0.010)
    assert planted.bound.fix_full_speed(planted.inputs, lambda: False) == pytest.approx(0.042)
    assert planted.run() == pytest.approx(3 * 0.042)


def test_timing_alone_ends_with_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PlantedTimes(monkeypatch, *[0.001] * 9)
    with pytest.raises(FailedError, match="the controller went away"):
        planted.bound.time_alone(planted.inputs, lambda: len(planted.ran) > 3)


def test_run_on_arrays_names_what_does_not_fit() -> None:
    stage = Stage(shard_graph(0, 1), None, threads=1, label="shard 0-1")
    ones = np.ones((2, WIDTH), np.float32)
    assert stage.run({"x": -ones})["a"].tolist() == np.zeros((2, WIDTH)).tolist()
    with pytest.raises(RefusedError, match="takes .'x'., not .'y'."):
        stage.run({"y": ones})
    with pytest.raises(RefusedError, match="x is float32, not int64"):
        stage.run({"x": ones.astype(np.int64)})
