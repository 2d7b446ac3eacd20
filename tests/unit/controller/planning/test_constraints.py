"""Objectives, limits, and what is said when nothing keeps to them."""

import math

import pytest

from controller.errors import PlanError
from controller.experiment.networks import Network
from controller.planning import Chooser, Limits, Plan, Predictor, Problem, Profile, evaluate
from controller.planning.baselines import equal_layers, greedy, one_device
from controller.planning.constraints import OBJECTIVES, knee, worth_using
from exporter.bundle import Bundle

PI = ("pi",)


@pytest.fixture
def predictor(profile: Profile, tiny: Bundle) -> Predictor:
    return Predictor(profile, tiny, Network(delay_ms=1))


@pytest.fixture
def chooser(predictor: Predictor) -> Chooser:
    return Chooser(predictor)


@pytest.fixture
def problem(predictor: Predictor) -> Problem:
    return predictor.problem(0.0)


def test_each_objective_finds_its_own(chooser: Chooser) -> None:
    (quick,), (steady,) = (chooser.choose(o, Limits(PI)) for o in ("latency", "throughput"))
    assert (quick.devices, quick.cuts) == (("pi", "server"), (0,))
    assert (steady.devices, steady.cuts) == (("pi", "server"), (0,))
    front = chooser.choose("pareto", Limits(PI))
    assert front[0].latency_s == quick.latency_s
    assert front[-1].period_s == steady.period_s
    assert chooser.choose("knee", Limits(PI))[0] in front


def test_limits_are_kept(chooser: Chooser) -> None:
    (plan,) = chooser.choose("latency", Limits(PI, forbidden=("server",)))
    assert plan.devices == PI
    (plan,) = chooser.choose("latency", Limits(PI, most_devices=1))
    assert plan.devices == PI
    (plan,) = chooser.choose("latency", Limits(PI, memory_bytes={"server": 50_000_000 + 64 + 256}))
    assert plan.cuts == (1,)
    (plan,) = chooser.choose("latency", Limits(("pi", "server")))
    assert plan.devices == ("server",)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(PI, latency_s=0.001), r"latency <= 1 ms \(the lowest is 7.1 ms\)"),
        (Limits(PI, period_s=0.001), r"throughput >= 1000 samples/s \(the highest is 243 samples/s\)"),
        (
            Limits(PI, memory_bytes={"pi": 50_000_100.0, "server": 1e9}, most_devices=1),
            r"memory of pi <= 50 MB or at most 1 devices with the other limits; drop one of these",
        ),
        (
            Limits(PI, latency_s=0.001, period_s=0.001),
            "latency <= 1 ms, throughput >= 1000 samples/s; drop several of them",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(chooser: Chooser, objective: str, limits: Limits, says: str) -> None:
    with pytest.raises(PlanError, match=f"no plan meets {says}"):
        chooser.choose(objective, limits)  # type: ignore[arg-type]


def _plan(latency_s: float, period_s: float) -> Plan:
    return Plan(PI, (), latency_s, period_s, "pi")


def test_the_knee_has_most_throughput_per_latency() -> None:
    front = [_plan(1, 10), _plan(2, 2), _plan(9, 1.5), _plan(10, 1)]
    assert knee(front) is front[1]
    assert knee(front[:1]) is front[0]
    # A plan far out at one end does not move it, as it would if axes were scaled by the ends.
    assert knee([_plan(0.1, 1000), *front]) is front[1]


def test_devices_that_gain_too_little_are_not_worth_it() -> None:
    assert worth_using([10.0, 5.1, 5.0], 0.05) == 1
    assert worth_using([5.0, 5.0], 0.0) == 0


def test_more_devices_are_never_worse(chooser: Chooser) -> None:
    rows = chooser.by_devices(Limits(PI))
    assert [number for number, _, _ in rows] == [1, 2]
    assert rows[1][1].latency_s <= rows[0][1].latency_s
    assert rows[1][2].period_s <= rows[0][2].period_s


class TestBaselines:
    def test_one_device(self, problem: Problem) -> None:
        assert one_device(problem, "pi", "pi").devices == PI
        assert one_device(problem, "pi", "server").cuts == (0,)

    def test_equal_layers(self, problem: Problem) -> None:
        assert equal_layers(problem, ["pi", "server"]) == evaluate(problem, ["pi", "server"], [2])

    def test_greedy_gives_the_slow_device_less(self, problem: Problem) -> None:
        assert greedy(problem, ["pi", "server"]) == evaluate(problem, ["pi", "server"], [1])

    def test_too_many_devices(self, problem: Problem) -> None:
        assert equal_layers(problem, ["pi"] * 6) is None
        assert greedy(problem, ["pi"] * 6) is None


def test_an_unset_limit_is_no_limit() -> None:
    assert Limits(PI).loosened() == {}
    assert Limits(PI).latency_s == math.inf
