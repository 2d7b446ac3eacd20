"""When a run is long enough, what of it counts, and whether it was stable."""

import math

import numpy as np
import pytest

from worker.endpoint.progress import Progress
from worker.endpoint.run_length import RunLength, is_stable
from worker.wire.errors import RefusedError
from worker.wire.messages import LoadSpec


def results_until_reached(length: RunLength, every_s: float = 1.0) -> int:
    """How many results end the run, one every `every_s`."""
    finished_at_s: list[float] = []
    while not length.is_reached(finished_at_s):
        finished_at_s.append(every_s * (len(finished_at_s) + 1))
    return len(finished_at_s)


def test_a_run_ends_at_its_count_after_those_that_do_not_count() -> None:
    assert results_until_reached(RunLength(first=3, requests=7)) == 10


def test_what_counts_is_a_multiple_of_the_depth() -> None:
    assert results_until_reached(RunLength(first=4, requests=21, multiple_of=4)) == 4 + 24


def test_a_duration_begins_with_the_result_before_the_first_that_counts() -> None:
    # The third is back after 1.5 s; the thirteenth is the first that is 5 s later.
    assert results_until_reached(RunLength(first=3, requests=1, duration_s=5.0), every_s=0.5) == 13


def test_a_duration_never_makes_a_run_shorter_than_its_count() -> None:
    assert results_until_reached(RunLength(first=1, requests=30, duration_s=5.0), every_s=0.5) == 31


def test_nothing_to_run_is_refused() -> None:
    for requests, duration_s in ((0, None), (5, 0.0), (5, -1.0)):
        with pytest.raises(RefusedError, match="cannot run"):
            RunLength(first=1, requests=requests, duration_s=duration_s)


@pytest.mark.parametrize("requests", [24, 21])
def test_results_in_bursts_do_not_bias_the_throughput(requests: int) -> None:
    """Depth 4, and four results every 4 s: one a second, wherever in a burst the run would have ended."""
    progress = Progress(RunLength(first=4, requests=requests, multiple_of=4), LoadSpec())
    for request in range(40):
        progress.scheduled_at_s.append(4.0 * max(0, request // 4 - 1))
        progress.note_result(4.0 * (request // 4 + 1), 0.0)
    for name in ("wait_source_s", "prepare_s", "encode_s"):
        getattr(progress, name).extend([0.0] * 40)
    rows = progress.rows()
    counted = rows[rows["counted"] == 1]
    assert len(rows) == 40
    assert counted["request"].tolist() == list(range(4, 28))
    assert len(counted) / progress.elapsed_s() == pytest.approx(1.0)


def test_slow_requests_at_the_end_are_not_dropped_and_are_flagged() -> None:
    """A stage with 100 runs of 10 ms, then 20 of 20 ms."""
    progress = Progress(RunLength(first=1, requests=120), LoadSpec())
    at_s = 0.0
    for request in range(121):
        progress.scheduled_at_s.append(at_s)
        at_s += 0.010 if request <= 100 else 0.020
        progress.note_result(at_s, 0.0)
    for name in ("wait_source_s", "prepare_s", "encode_s"):
        getattr(progress, name).extend([0.0] * 121)
    rows = progress.rows()
    counted = rows[rows["counted"] == 1]
    assert counted["latency_s"].mean() == pytest.approx((100 * 0.010 + 20 * 0.020) / 120)
    assert np.quantile(counted["latency_s"], 0.9) == pytest.approx(0.020)
    assert progress.elapsed_s() == pytest.approx(1.4)
    assert is_stable(counted["latency_s"][-60:]) is False


def test_thirds_that_differ_by_more_than_a_tenth_are_not_stable() -> None:
    assert is_stable(np.repeat([1.0, 1.09, 1.0], 8)) is True
    assert is_stable(np.repeat([1.0, 1.12, 1.0], 8)) is False
    assert is_stable(np.repeat([1.3, 1.0, 1.0], 8)) is False


def test_noise_is_not_taken_for_a_change() -> None:
    random = np.random.default_rng(1)
    draws = [is_stable(random.exponential(1.0, 24)) for _ in range(400)]
    assert draws.count(False) < 0.1 * len(draws)


def test_too_few_requests_do_not_tell_whether_they_are_stable() -> None:
    assert is_stable(np.array([1.0, 9.0] * 4)) is None
    assert is_stable(np.array([math.nan])) is None
