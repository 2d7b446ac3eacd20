"""Results against their answers, also when the same batch comes round again."""

import numpy as np
import pytest

from worker.endpoint.answers import Answers
from worker.links.slots import Slot, SlotPool
from worker.wire.errors import MismatchError
from worker.wire.frames import LinkLayout
from worker.wire.messages import TensorSpec

SAMPLES, WIDTH = 3, 4
RIGHT = np.arange(1, SAMPLES * WIDTH + 1, dtype=np.float32).reshape(SAMPLES, WIDTH)


def answers_and_slot(dtype: str = "float32", *, allowed_error: float = 1e-4) -> tuple[Answers, Slot]:
    layout = LinkLayout([TensorSpec(name="y", dtype=dtype, shape=(1, WIDTH))])
    answers = Answers({"y": RIGHT.astype(dtype)}, layout, 1, allowed_error=allowed_error)
    return answers, SlotPool(layout, 0).slots[0]


def bring(slot: Slot, request: int, error: float = 0.0) -> Slot:
    """The result of a request, its first element off by this share of the answer's maximum."""
    right = RIGHT[request % SAMPLES]
    slot.request = request
    slot.arrays[0][0] = right
    slot.arrays[0][0, 0] += error * right.max()
    return slot


def test_an_error_is_told_each_time_that_it_comes() -> None:
    answers, slot = answers_and_slot()
    found = [answers.check(bring(slot, request, 5e-5)) for request in range(3 * SAMPLES)]
    assert found == pytest.approx([5e-5] * 3 * SAMPLES, rel=0.05)
    assert answers.check(bring(slot, 0)) == 0


@pytest.mark.parametrize("request_id", [1, 1 + SAMPLES, 1 + 5 * SAMPLES])
@pytest.mark.parametrize("has_buffers", [True, False], ids=["sockets", "rpc"])
def test_a_wrong_result_is_caught_whenever_it_comes(request_id: int, has_buffers: bool) -> None:
    answers, slot = answers_and_slot()
    if not has_buffers:
        slot.buffers[1:] = [memoryview(b"")]
    for request in range(request_id):
        answers.check(bring(slot, request))
    for wrong in (1e-3, float("nan")):
        with pytest.raises(MismatchError, match=f"result of request {request_id} is wrong: y differs"):
            answers.check(bring(slot, request_id, wrong))
    assert answers.check(bring(slot, request_id)) == 0


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", "float64"])
def test_differences_do_not_overflow(dtype: str) -> None:
    answers, slot = answers_and_slot(dtype, allowed_error=100.0)
    assert answers.check(bring(slot, 0)) == 0
    slot.arrays[0][:] = 100
    assert answers.check(slot) == (100 - 1) / 4


def test_equal_infinities_are_equal_and_all_else_is_held_to_the_finite_maximum() -> None:
    layout = LinkLayout([TensorSpec(name="y", dtype="float32", shape=(1, 4))])
    right = np.array([[-np.inf, 2.0, np.inf, 4.0]], np.float32)
    answers = Answers({"y": right}, layout, 1, allowed_error=1e-4)
    slot = SlotPool(layout, 0).slots[0]
    slot.request = 0
    slot.arrays[0][:] = right
    assert answers.check(slot) == 0
    slot.arrays[0][0, 3] = 4.0002
    assert answers.check(slot) == pytest.approx(5e-5, rel=0.05)
    for place, wrong in ((0, np.inf), (0, 1.0), (1, np.inf), (2, np.nan)):
        slot.arrays[0][:] = right
        slot.arrays[0][0, place] = wrong
        with pytest.raises(MismatchError):
            answers.check(slot)
