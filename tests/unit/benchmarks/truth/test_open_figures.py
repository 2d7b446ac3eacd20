"""Open loads held to the queue's formulas, by planted times or by achieved ones."""

import pytest

from benchmarks.truth.compared import Compared, Row
from benchmarks.truth.open_figures import Service, achieved, open_figures
from benchmarks.truth.queue import highest_rate_per_s, mean_latency_s, quantile_s
from controller.experiment.cells import cell_of
from controller.results import Settings
from exporter.bundle import Bundle

PLANTED = Service(0.025, 0.025**2, late=160.0)
ACHIEVED = Service(0.0252, 0.0252**2, late=160.0)


def off(tiny: Bundle, load: str, row: dict[str, float | str], *, trials: int = 1) -> list[Compared]:
    cell = cell_of(tiny, ("pi",), (), Settings(depth=4, load=load))
    stated: Row = {name: str(value) for name, value in ({"trials": trials, "overloaded": 0} | row).items()}
    return [one for one in open_figures("here", cell, PLANTED, ACHIEVED, stated, trials) if not one.holds]


def queue(rate_per_s: float, service_s: float) -> dict[str, float | str]:
    mean_s = mean_latency_s(rate_per_s, service_s)
    return {
        "rate_per_s": rate_per_s,
        "utilisation": rate_per_s * service_s,
        "latency_mean_s": mean_s,
        "latency_mean_s_low": 0.96 * mean_s,
        "latency_mean_s_high": 1.04 * mean_s,
        "latency_p50_s": quantile_s(rate_per_s, service_s, 0.5),
        "latency_p90_s": quantile_s(rate_per_s, service_s, 0.9),
    }


def test_half_a_load_is_held_to_the_planted_time(tiny: Bundle) -> None:
    assert off(tiny, "poisson:20/s", queue(20, 0.025)) == []
    (wrong,) = off(tiny, "poisson:20/s", queue(20, 0.025) | {"latency_mean_s": 0.0375 * 1.03})
    assert wrong.figure == "open latency mean"
    (missing,) = off(tiny, "poisson:20/s", queue(20, 0.025) | {"latency_p90_s": ""})
    assert missing.figure == "open latency p90"


def test_a_higher_load_is_held_to_the_achieved_time_within_its_interval(tiny: Bundle) -> None:
    assert off(tiny, "poisson:36/s", queue(36, 0.0252)) == []
    # The planted time would be 7 % off, more than the interval says.
    wrong = off(tiny, "poisson:36/s", queue(36, 0.025))
    assert [one.figure for one in wrong] == ["open latency mean"]
    assert off(tiny, "poisson:36/s", queue(36, 0.0252) | {"latency_p90_s": ""}) == []


def test_more_than_the_stage_can_take_has_no_latency(tiny: Bundle) -> None:
    said: dict[str, float | str] = {
        "rate_per_s": 48,
        "utilisation": 48 * 0.0252,
        "overloaded": 1,
        "latency_mean_s": "",
    }
    assert off(tiny, "poisson:48/s", said) == []
    wrong = off(tiny, "poisson:48/s", said | {"overloaded": 0, "latency_mean_s": 3.0})
    assert [one.figure for one in wrong] == ["overloaded trials", "open latency mean"]


def test_a_search_is_held_to_the_highest_rate_and_to_whether_there_is_one(tiny: Bundle) -> None:
    true = highest_rate_per_s(0.0252, 0.9, 0.140)
    assert off(tiny, "poisson:p90<=140ms", {"bound_missed": 0, "rate_per_s": 1.04 * true}) == []
    (wrong,) = off(tiny, "poisson:p90<=140ms", {"bound_missed": 0, "rate_per_s": 1.06 * true})
    assert wrong.figure == "highest rate"
    (wrong,) = off(tiny, "poisson:p90<=20ms", {"bound_missed": 0, "rate_per_s": ""})
    assert wrong.figure == "trials with the bound missed"


def test_achieved_times_are_those_of_the_records_with_what_lies_between_them() -> None:
    own = [{"stage_compute_s": "0.025"}, {"stage_compute_s": "0.027"}]
    full = {"throughput_per_s": "39.0625"}
    service = achieved(0.025, 1.0, own, full, [{"stage_compute_s": "0.0251"}])
    # A result every 25.6 ms, 0.5 ms of it between two runs.
    assert service.mean_s == pytest.approx(0.0265)
    assert achieved(0.025, 1.0, [], {}, []) == Service(0.025, 0.025**2, 1.0)


def test_times_that_a_busy_machine_did_not_keep_tell_nothing(tiny: Bundle) -> None:
    cell = cell_of(tiny, ("pi",), (), Settings(depth=4, load="poisson:36/s"))
    row = {name: str(value) for name, value in queue(36, 0.025).items()}
    late = Service(0.027, 0.027**2, late=160.0)
    off = [one for one in open_figures("here", cell, PLANTED, late, row, 1) if not one.holds]
    assert off
    assert all(one.holds_on(0.0) for one in off)
