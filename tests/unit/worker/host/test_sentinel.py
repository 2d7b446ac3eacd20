"""The sentinel's work."""

import numpy as np
import pytest

from worker.host.sentinel import time_sentinel
from worker.wire.errors import FailedError, RefusedError
from worker.wire.messages import TimeSentinel


def test_each_repeat_of_the_same_work_is_timed() -> None:
    times_s = time_sentinel(TimeSentinel(repeats=15), lambda: False).times_s
    assert len(times_s) == 15
    # The quickest repeats do the same work in nearly the same time; others were interrupted.
    quickest = np.sort(times_s)[:3]
    assert quickest.min() > 0
    assert quickest.max() < 2 * quickest.min()


@pytest.mark.parametrize("repeats", [0, -1, 1001])
def test_so_many_repeats_are_refused(repeats: int) -> None:
    with pytest.raises(RefusedError, match=f"1 to 1000 times, not {repeats}"):
        time_sentinel(TimeSentinel(repeats=repeats), lambda: False)


def test_it_ends_with_its_controller() -> None:
    with pytest.raises(FailedError, match="the controller went away"):
        time_sentinel(TimeSentinel(repeats=1000), lambda: True)
