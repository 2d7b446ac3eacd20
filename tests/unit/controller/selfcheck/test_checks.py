"""What a selfcheck expects of devices and links, held to trials whose figures are known."""

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from controller.experiment.networks import Direction
from controller.results import Trial
from controller.selfcheck.checks import DeviceCheck, LatencyCheck, RateCheck

LTE = Direction(delay_ms=25, rate_mbit=20)


def trial(*, compute_s: float = 0.0, latency_s: float = 0.0, period_s: float = 1.0) -> Trial:
    """Ten requests, all alike."""
    rows: dict[str, Any] = {
        "records": [{"compute_s": np.full(10, compute_s)}],
        "endpoint": np.array([(latency_s,)] * 10, dtype=[("latency_s", float)]),
        "elapsed_s": 10 * period_s,
    }
    return cast(Trial, SimpleNamespace(**rows))


@pytest.mark.parametrize(("compute_s", "holds"), [(0.0401, True), (0.0425, False), (0.0375, False)])
def test_a_stage_takes_the_planted_time_by_the_slowdown(compute_s: float, holds: bool) -> None:
    found = DeviceCheck("pi", 2.0, "spin").finding(trial(compute_s=compute_s))
    assert (found.where, found.true, found.holds) == ("pi", 40.0, holds)


def test_a_full_link_carries_its_rate_with_all_headers() -> None:
    check = RateCheck("pi", "server", LTE, LTE)
    # 25,000 bytes take 10 ms, and the frame's and the segments' headers 0.5 ms.
    assert check.values == 6_250
    assert check.sent_s == pytest.approx(0.0105, rel=0.01)
    # Enough in flight to fill the round trip, and ten times as many in all.
    assert check.depth == math.ceil(check.round_s / check.sent_s) + 2
    assert check.requests >= 10 * check.depth
    assert check.requests % check.depth == 0
    assert check.finding(trial(period_s=check.sent_s)).holds
    slow = check.finding(trial(period_s=check.sent_s / 0.8))
    assert not slow.holds
    assert slow.measured == pytest.approx(16.0)


def test_a_round_trip_takes_both_delays_and_the_bytes() -> None:
    check = LatencyCheck("pi", "server", LTE, Direction(delay_ms=5))
    assert check.round_s == pytest.approx(0.025 + 0.005 + check.sent_s)
    assert check.finding(trial(latency_s=check.round_s + 0.002)).holds
    assert not check.finding(trial(latency_s=check.round_s + 0.004)).holds


def test_jitter_widens_what_a_mean_may_be_off() -> None:
    calm = LatencyCheck("pi", "server", LTE, LTE).finding(trial())
    shaky = Direction(delay_ms=25, jitter_ms=20, rate_mbit=20)
    assert LatencyCheck("pi", "server", shaky, shaky).finding(trial()).allowed > calm.allowed
