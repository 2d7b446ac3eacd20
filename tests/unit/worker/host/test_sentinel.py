"""The sentinel's work."""

import time
from typing import Any

import numpy as np
import pytest

from worker.host.sentinel import time_sentinel
from worker.wire.errors import FailedError, RefusedError
from worker.wire.messages import TimeSentinel


def test_the_same_work_is_repeated_for_as_long_as_requested() -> None:
    began_s = time.monotonic()
    times_s = time_sentinel(TimeSentinel(duration_s=0.2), lambda: False).times_s
    # The first tenth of a second warms up.
    assert time.monotonic() - began_s >= 0.3
    assert sum(times_s) > 0.1
    # The quickest repeats do the same work in nearly the same time; others were interrupted.
    quickest = np.sort(times_s)[:3]
    assert quickest.min() > 0
    assert quickest.max() < 2 * quickest.min()


def test_it_has_enough_repeats_for_a_median_however_slow_the_device() -> None:
    assert len(time_sentinel(TimeSentinel(duration_s=0.0), lambda: False).times_s) == 21


def test_each_request_works_in_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays elsewhere, as the worker's other work would leave room for, are faster or slower."""
    seen = set()

    def note(_subscripts: str, *factors: Any, out: Any, optimize: bool) -> None:
        assert not optimize
        seen.add(tuple(array.ctypes.data for array in (*factors, out)))

    monkeypatch.setattr(np, "einsum", note)
    held = []
    for size in (0, 1000, 100_000):
        held.append(np.zeros(size))
        time_sentinel(TimeSentinel(duration_s=0.0), lambda: False)
    (addresses,) = seen
    assert all(address % 64 == 0 for address in addresses)


@pytest.mark.parametrize("seconds", [-0.1, 11.0, float("nan")])
def test_such_a_duration_is_refused(seconds: float) -> None:
    with pytest.raises(RefusedError, match=f"0 to 10 s, not {seconds:g}"):
        time_sentinel(TimeSentinel(duration_s=seconds), lambda: False)


def test_it_ends_with_its_controller() -> None:
    with pytest.raises(FailedError, match="the controller went away"):
        time_sentinel(TimeSentinel(duration_s=1.0), lambda: True)
