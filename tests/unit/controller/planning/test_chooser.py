"""What is chosen is what is printed: plans with their own waits, and limits that hold for these."""

import itertools
import re

import msgspec
import pytest

from controller.errors import PlanError
from controller.experiment.networks import Network
from controller.planning import Chooser, Limits, Plan, Predictor, Profile
from controller.planning.constraints import Objective
from controller.profiling.profile import IdlePenalty, LinkProfile
from exporter.bundle import Bundle

PI = ("pi",)


@pytest.fixture
def idle_penalty(profile: Profile) -> Profile:
    """A third device, and all of them up to twice as slow after waiting, as on a shared machine."""
    slower = (
        IdlePenalty(idle_s=0.001, factor=1.2),
        IdlePenalty(idle_s=0.02, factor=1.6),
        IdlePenalty(idle_s=0.2, factor=2.0),
    )
    pi, server = (msgspec.structs.replace(d, idle_penalty=slower) for d in profile.devices.values())
    halves = {key: tuple(s / 2 for s in getattr(pi, key)) for key in ("prefix_s", "suffix_s")}
    devices = {"pi": pi, "desk": msgspec.structs.replace(pi, **halves), "server": server}
    pairs = tuple(
        msgspec.structs.replace(profile.pairs[0], follower=name, idle_s=(0.001, 0.1), fixed_s=(0.0003, 0.001))
        for name in ("desk", "server")
    )
    links = tuple(
        LinkProfile(sender=sender, receiver=receiver, round_trip_s=0.0002, rate_mbit=800.0)
        for sender, receiver in itertools.permutations(devices, 2)
    )
    return msgspec.structs.replace(profile, devices=devices, links=links, pairs=pairs)


@pytest.fixture(params=[(0.2, 1000.0), (2.0, 1.0), (5.0, 0.2)], ids=str)
def predictor(idle_penalty: Profile, tiny: Bundle, request: pytest.FixtureRequest) -> Predictor:
    delay_ms, rate_mbit = request.param
    return Predictor(idle_penalty, tiny, Network(delay_ms=delay_ms, rate_mbit=rate_mbit))


def _every(predictor: Predictor) -> list[Plan]:
    """All plans whose source is the pi, as they are printed."""
    found = [predictor.predict(PI, ()).plan]
    for count in (1, 2):
        for others in itertools.permutations(predictor.devices[1:], count):
            for cuts in itertools.combinations(range(4), count):
                found.append(predictor.predict((*PI, *others), cuts).plan)
    return found


def test_what_is_chosen_is_as_good_as_anything_that_could_be(predictor: Predictor) -> None:
    every = _every(predictor)
    chooser = Chooser(predictor)
    (quick,) = chooser.choose("latency", Limits(PI))
    assert quick.latency_s <= min(plan.latency_s for plan in every) * 1.001
    (steady,) = chooser.choose("throughput", Limits(PI))
    assert steady.period_s == pytest.approx(min(plan.period_s for plan in every))
    assert predictor.predict(quick.devices, quick.cuts).plan == quick


@pytest.mark.parametrize("objective", ["latency", "throughput", "knee", "pareto"])
def test_limits_hold_for_what_is_printed(predictor: Predictor, objective: Objective) -> None:
    every = _every(predictor)
    chooser = Chooser(predictor)
    for limit_s in sorted({plan.latency_s for plan in every}):
        keeping = [plan for plan in every if plan.latency_s <= limit_s]
        limits = Limits(PI, latency_s=limit_s)
        plans = chooser.best(objective, limits, 3)
        assert max(predictor.predict(p.devices, p.cuts).plan.latency_s for p in plans) <= limit_s
        if objective == "throughput":
            assert plans[0].period_s == pytest.approx(min(plan.period_s for plan in keeping), rel=0.02)


def test_limits_hold_for_each_number_of_devices(predictor: Predictor) -> None:
    chooser = Chooser(predictor)
    for limit_s in sorted({plan.latency_s for plan in _every(predictor)}):
        rows = chooser.by_devices(Limits(PI, latency_s=limit_s))
        assert max(plan.latency_s for _, *both in rows for plan in both) <= limit_s


def test_what_a_refusal_says_is_possible_is(predictor: Predictor) -> None:
    chooser = Chooser(predictor)
    with pytest.raises(PlanError) as refused:
        chooser.choose("knee", Limits(PI, latency_s=0.0001))
    told = re.search(r"the lowest is ([\d.]+) ms", str(refused.value))
    assert told
    assert chooser.choose("knee", Limits(PI, latency_s=float(told[1]) / 1e3))
    with pytest.raises(PlanError) as refused:
        chooser.choose("latency", Limits(PI, period_s=8e-6, batch=8))
    told = re.search(
        r"throughput >= 1e\+06 samples/s \(the highest is ([\d.e+]+) samples/s\)", str(refused.value)
    )
    assert told
    (plan,) = chooser.choose("latency", Limits(PI, period_s=8 / float(told[1]), batch=8))
    assert 8 / plan.period_s >= float(told[1])


def test_a_lab_that_is_too_large_is_refused_before_it_takes_all_memory(
    profile: Profile, tiny: Bundle
) -> None:
    server = profile.devices["server"]
    devices = {"pi": profile.devices["pi"], **{f"d{number}": server for number in range(19)}}
    pairs = tuple(msgspec.structs.replace(profile.pairs[0], follower=name) for name in list(devices)[1:])
    large = msgspec.structs.replace(profile, devices=devices, pairs=pairs)
    chooser = Chooser(Predictor(large, tiny, Network()))
    with pytest.raises(
        PlanError, match="^20 devices are too many .* give --most-devices 4, or leave devices out"
    ):
        chooser.choose("latency", Limits(PI))
    (plan,) = chooser.choose("latency", Limits(PI, most_devices=4))
    assert plan.cuts == (0,)
    without = tuple(f"d{number}" for number in range(7))
    assert chooser.choose("latency", Limits(PI, forbidden=without))
    # Whether it would do without the limit on devices, nobody can say.
    with pytest.raises(PlanError, match=r"no plan meets latency <= 0\.001 ms \(the lowest is 5\.1 ms\)$"):
        chooser.choose("latency", Limits(PI, latency_s=1e-6, most_devices=4))
