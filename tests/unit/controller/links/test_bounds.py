"""What counts as the link that was asked for, and what does not."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.experiment.networks import Direction
from controller.links.bounds import Measured, binomial_range, requested_round_trip_ms, violations

RIGHT = Measured(
    round_trip_ms=10.1,
    round_trips=101,
    datagrams=1000,
    lost=20,
    rate_mbit=20.0,
    offered_mbit=25.5,
    tcp_mbit=19.0,
)
WIFI = Direction(delay_ms=5, rate_mbit=20, loss_percent=2)


def test_a_link_as_it_was_asked_for_passes() -> None:
    assert violations(WIFI, WIFI, RIGHT) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"round_trip_ms": 0.1}, "round trip should be 10.1 ms +- 2, measured 0.1 ms"),
        ({"round_trip_ms": 12.5}, "round trip should be 10.1 ms +- 2, measured 12.5 ms"),
        ({"rate_mbit": 25.4}, "rate should be 20 Mbit/s +- 15%, measured 25.4 Mbit/s"),
        ({"rate_mbit": 16.0}, "rate should be 20 Mbit/s +- 15%, measured 16.0 Mbit/s"),
        ({"lost": 0}, "loss should be 2 % (10 to 32 of 1000 datagrams), measured 0 % (0)"),
        ({"lost": 50}, "loss should be 2 % (10 to 32 of 1000 datagrams), measured 5 % (50)"),
    ],
)
def test_each_figure_out_of_bounds_is_told(changed: dict[str, float], says: str) -> None:
    assert violations(WIFI, WIFI, replace(RIGHT, **changed)) == [says]  # type: ignore[arg-type]


def test_what_a_profile_does_not_set_is_not_judged() -> None:
    wrong = replace(RIGHT, round_trip_ms=900.0, lost=900, rate_mbit=1.0, tcp_mbit=0.1)
    assert violations(Direction(), Direction(), wrong) == []


def test_the_round_trip_is_both_delays_and_what_the_rates_take_for_a_ping() -> None:
    slow = Direction(delay_ms=20, rate_mbit=0.1)
    assert requested_round_trip_ms(Direction(delay_ms=5), slow) == pytest.approx(25 + 98 * 8 / 100)
    assert requested_round_trip_ms(Direction(rate_mbit=1), Direction(rate_mbit=1)) is None


def test_what_devices_and_a_wire_take_themselves_is_within_the_bound_of_a_short_delay() -> None:
    lan = Direction(delay_ms=0.2, rate_mbit=1000)
    assert violations(lan, lan, replace(RIGHT, round_trip_ms=0.98, lost=0, rate_mbit=1000)) == []
    assert violations(lan, lan, replace(RIGHT, round_trip_ms=1.5, lost=0, rate_mbit=1000))


def test_jitter_widens_the_round_trips_bound_and_more_round_trips_narrow_it() -> None:
    steady, jittery = Direction(delay_ms=5), Direction(delay_ms=5, jitter_ms=10)
    off = replace(RIGHT, round_trip_ms=13.0)
    assert violations(steady, steady, off)
    assert not violations(steady, jittery, off)
    assert violations(steady, jittery, replace(off, round_trips=10_000))


def test_a_rate_that_the_sender_could_not_offer_is_not_judged() -> None:
    gigabit = Direction(rate_mbit=1000)
    tired = replace(RIGHT, rate_mbit=480.0, offered_mbit=480.0)
    assert violations(gigabit, gigabit, tired) == []
    assert violations(gigabit, gigabit, replace(tired, offered_mbit=1010.0))


@given(st.integers(1, 300), st.floats(0.001, 0.999))
def test_the_range_of_losses_holds_99_percent_and_no_count_too_many(trials: int, share: float) -> None:
    low, high = binomial_range(trials, share)

    def odds(start: int, stop: int) -> float:
        return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(start, stop))

    assert 0 <= low <= high <= trials
    assert odds(0, low) <= 0.005 + 1e-9
    assert odds(high + 1, trials + 1) <= 0.005 + 1e-9
    assert odds(0, low + 1) > 0.005 - 1e-9
    assert odds(high, trials + 1) > 0.005 - 1e-9
