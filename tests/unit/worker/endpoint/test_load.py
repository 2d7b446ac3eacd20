"""When requests are due, and where inputs come from."""

import itertools
import math

import numpy as np
import pytest

from worker.endpoint.inputs import make_inputs
from worker.endpoint.load import check_load, due_offsets_s, longest_wait_s
from worker.links.cancel_scope import CancelScope
from worker.links.slots import Array
from worker.wire.errors import RefusedError
from worker.wire.messages import LoadSpec


def first_due_s(load: LoadSpec, count: int) -> list[float]:
    offsets_s = due_offsets_s(load)
    assert offsets_s is not None
    return list(itertools.islice(offsets_s, count))


def test_a_closed_loop_has_no_times_and_no_wait_that_is_too_long() -> None:
    assert due_offsets_s(LoadSpec()) is None
    assert longest_wait_s(LoadSpec()) == math.inf


def test_a_constant_load_is_due_at_equal_distances() -> None:
    assert first_due_s(LoadSpec(kind="constant", rate_per_s=4.0), 4) == [0.0, 0.25, 0.5, 0.75]


def test_a_poisson_load_has_its_rate_repeats_with_its_seed_and_scales() -> None:
    slow = first_due_s(LoadSpec(kind="poisson", rate_per_s=10.0, seed=7), 20_000)
    gaps_s = np.diff(slow)
    assert np.mean(gaps_s) == pytest.approx(0.1, rel=0.03)
    # The gaps of a Poisson process are as wide as they are long.
    assert np.std(gaps_s) == pytest.approx(0.1, rel=0.05)
    assert first_due_s(LoadSpec(kind="poisson", rate_per_s=10.0, seed=7), 50) == slow[:50]
    assert first_due_s(LoadSpec(kind="poisson", rate_per_s=10.0, seed=8), 50) != slow[:50]
    fast = first_due_s(LoadSpec(kind="poisson", rate_per_s=20.0, seed=7), 50)
    np.testing.assert_allclose(np.multiply(fast, 2), slow[:50])


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_an_open_loop_needs_a_rate(kind: str, rate_per_s: float) -> None:
    with pytest.raises(RefusedError, match="needs a rate above 0 requests/s"):
        check_load(LoadSpec(kind=kind, rate_per_s=rate_per_s))  # type: ignore[arg-type]


BATCHES: list[list[Array]] = [[np.full((2, 3), value, np.float32)] for value in (1, 2, 3)]


@pytest.mark.parametrize("prefetch", [None, 0, 1, 4])
def test_inputs_come_round_and_round_however_far_ahead_they_are_made(prefetch: int | None) -> None:
    inputs = make_inputs(BATCHES, prefetch, 2, CancelScope())
    for _ in range(2):
        inputs.begin()
        for request in range(20):
            batch = inputs.take(request)
            assert batch is not None
            assert batch.arrays[0][0, 0] == request % 3 + 1
            assert bytes(batch.buffers[0]) == batch.arrays[0].tobytes()
            assert (batch.prepare_s > 0) == (prefetch is not None)
        inputs.end()


@pytest.mark.parametrize("prefetch", [0, 3])
def test_an_input_is_not_overwritten_while_its_request_is_in_flight(prefetch: int) -> None:
    depth = 3
    inputs = make_inputs(BATCHES, prefetch, depth, CancelScope())
    inputs.begin()
    in_flight = [inputs.take(request) for request in range(depth)]
    for request in range(depth, 30):
        oldest = in_flight.pop(0)
        assert oldest is not None
        assert oldest.arrays[0][0, 0] == (request - depth) % 3 + 1
        in_flight.append(inputs.take(request))
    inputs.end()


def test_a_pipeline_that_ends_wakes_who_waits_for_an_input() -> None:
    scope = CancelScope()
    inputs = make_inputs(BATCHES, 2, 1, scope)
    inputs.begin()
    scope.end()
    inputs.end()
    assert inputs.take(0) is None


def test_a_source_cannot_be_less_than_nothing_ahead() -> None:
    with pytest.raises(RefusedError, match="prefetch -1"):
        make_inputs(BATCHES, -1, 1, CancelScope())
