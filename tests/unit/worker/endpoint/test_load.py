"""When requests are due, when a run may end, and where inputs come from."""

import itertools
import math

import numpy as np
import pytest

from worker.endpoint.inputs import make_inputs
from worker.endpoint.load import check_load, due_offsets_s, longest_wait_s
from worker.endpoint.progress import Progress
from worker.endpoint.windows import Windows
from worker.links.cancel_scope import CancelScope
from worker.links.slots import Array
from worker.wire.errors import RefusedError
from worker.wire.frames import FrameType
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


def results(windows: Windows, latency_s: "list[float]") -> int:
    """Feed latencies of requests due every second; how many it took until the run was over."""
    scheduled_at_s = [float(i) for i in range(len(latency_s))]
    finished_at_s: list[float] = []
    for at_s, waited_s in zip(scheduled_at_s, latency_s, strict=True):
        finished_at_s.append(at_s + waited_s)
        if windows.ends(scheduled_at_s, finished_at_s):
            return len(finished_at_s)
    return -1


def test_a_plain_run_ends_at_its_count_and_says_nothing_of_stability() -> None:
    windows = Windows(7)
    assert (windows.limit, results(windows, [1.0] * 7)) == (7, 7)
    assert (windows.measured_from, windows.measured_to, windows.stable) == (0, 7, None)


def test_a_run_that_is_stable_from_the_start_takes_no_more_than_its_count() -> None:
    windows = Windows(11, until_stable=True)
    assert results(windows, [1.0, 1.04, 1.09] * 10) == 11
    assert (windows.measured_from, windows.measured_to, windows.stable) == (0, 11, True)


@pytest.mark.parametrize("requests", [11, 12, 24, 100])
def test_a_run_that_settles_late_counts_its_last_three_windows(requests: int) -> None:
    windows = Windows(requests, until_stable=True)
    third = requests // 3
    results(windows, [2.0] * third + [1.0] * 5 * requests)
    assert windows.stable
    assert windows.count > 3
    assert windows.measured_to - windows.measured_from == requests


@pytest.mark.parametrize("slow_results", [0, 10])
@pytest.mark.parametrize("filling", [3, 1])
def test_elapsed_time_is_of_the_results_that_count_alone(filling: int, slow_results: int) -> None:
    """Depth 4, a result every second, the first ones every three: filling or settling makes it no slower."""
    windows = Windows(24, filling=filling, until_stable=True)
    progress = Progress(windows, FrameType.TENSORS, LoadSpec())
    progress.scheduled_at_s.extend([0.0] * 4)
    at_s = 4.0
    for i in range(90):
        at_s += 3.0 if i < slow_results else 1.0 if i else 0.0
        progress.finished_at_s.append(at_s)
        progress.scheduled_at_s.append(at_s)
        if windows.ends(progress.scheduled_at_s, progress.finished_at_s):
            break
    assert windows.stable
    assert (windows.measured_from > filling) == bool(slow_results)
    assert windows.measured_to - windows.measured_from == 24
    assert progress.elapsed_s() == pytest.approx(24.0)


def test_by_time_the_filling_is_not_of_it() -> None:
    windows = Windows(1, filling=3, duration_s=5.0)
    assert results(windows, [0.5] * 40) == 8  # the third is back after 2.5 s, the eighth after 7.5 s
    assert (windows.measured_from, windows.measured_to) == (3, 8)


def test_a_run_that_never_settles_ends_after_ten_windows() -> None:
    windows = Windows(9, until_stable=True)
    growing = [1.3 ** (i // 3) for i in range(60)]
    assert results(windows, growing) == 30
    assert (windows.count, windows.stable) == (10, False)
    assert (windows.measured_from, windows.measured_to) == (21, 30)


def test_agreement_ends_at_ten_percent() -> None:
    assert results(Windows(3, until_stable=True), [1.0, 1.1, 1.0, 9.9]) == 3
    assert results(Windows(3, until_stable=True), [1.0, 1.11, 1.0, 9.9]) == -1


def test_by_time_a_window_ends_with_the_first_result_after_it() -> None:
    windows = Windows(1, until_stable=True, duration_s=9.0)
    assert windows.limit is None
    assert results(windows, [0.5] * 40) == 10  # the tenth is back after 9.5 s
    assert windows.stable
    assert windows.measured_to == 10


def test_nothing_to_run_is_refused() -> None:
    for requests, duration_s in ((0, None), (5, 0.0), (5, -1.0)):
        with pytest.raises(RefusedError, match="cannot run"):
            Windows(requests, duration_s=duration_s)


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
