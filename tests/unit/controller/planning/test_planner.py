"""The planner against every plan there is, on problems small enough to list them all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.planning import Costs, Plan, Problem, evaluate, max_throughput, min_latency, pareto_set


@dataclass(frozen=True)
class Drawn:
    """A problem, where requests may be born, and every plan there is."""

    problem: Problem
    sources: list[str]
    plans: list[Plan]


def draw_problem(devices: int, cuts: int, seed: int, *, coarse: bool = False) -> Problem:
    """Random costs of `devices` devices and `cuts` positions; coarse ones have many ties."""
    rng = np.random.default_rng(seed)

    def costs(*shape: int) -> Costs:
        drawn = [rng.integers(1, 5, shape) if coarse else rng.uniform(0.1, 10, shape) for _ in range(2)]
        return Costs(*(array.astype(np.float64) for array in drawn))

    last = np.arange(cuts) == cuts - 1
    return Problem(
        devices=tuple(f"d{i}" for i in range(devices)),
        # Positions in a graph are not indices of positions.
        cuts=tuple(int(cut) for cut in np.cumsum(rng.integers(1, 4, cuts)) * np.arange(cuts)),
        alone=costs(devices),
        first=costs(devices, cuts).without(last[None]),
        stage=costs(devices, cuts, cuts).without(np.tril(np.ones((cuts, cuts), dtype=bool))[None]),
        link=costs(devices, devices, cuts),
        back=costs(devices, devices),
        memory_bytes=rng.uniform(1, 10, (devices, cuts, cuts)),
    )


def _every_plan(problem: Problem, sources: list[str]) -> Iterator[Plan]:
    """All orders of all sets of devices, with all cuts: by enumeration, not as the planner does it."""
    inner = problem.cuts[1:-1]
    for source in sources:
        rest = [name for name in problem.devices if name != source]
        yield evaluate(problem, [source], [])
        for count in range(1, len(rest) + 1):
            for chain in permutations(rest, count):
                for later in combinations(inner, count - 1):
                    for first in (0, *inner):
                        if not later or first < later[0]:
                            yield evaluate(problem, [source, *chain], [first, *later])


@st.composite
def draws(draw: st.DrawFn) -> Drawn:
    devices, cuts = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    problem = draw_problem(devices, cuts, draw(st.integers(0, 2**32 - 1)), coarse=draw(st.booleans()))
    sources = list(problem.devices) if draw(st.booleans()) else [problem.devices[0]]
    return Drawn(problem, sources, list(_every_plan(problem, sources)))


thoroughly = settings(max_examples=60, deadline=None)


class TestAgainstEveryPlan:
    @given(drawn=draws())
    @thoroughly
    def test_least_latency(self, drawn: Drawn) -> None:
        problem, sources, plans = drawn.problem, drawn.sources, drawn.plans
        best = min_latency(problem, sources)
        assert best is not None
        assert best.latency_s == pytest.approx(min(plan.latency_s for plan in plans))

    @given(drawn=draws())
    @thoroughly
    def test_smallest_interval_and_among_those_the_least_latency(self, drawn: Drawn) -> None:
        problem, sources, plans = drawn.problem, drawn.sources, drawn.plans
        best = max_throughput(problem, sources)
        assert best is not None
        least_s = min(plan.period_s for plan in plans)
        assert best.period_s == least_s
        assert best.latency_s == pytest.approx(
            min(plan.latency_s for plan in plans if plan.period_s == least_s)
        )

    @given(drawn=draws())
    @thoroughly
    def test_the_whole_pareto_set(self, drawn: Drawn) -> None:
        problem, sources, plans = drawn.problem, drawn.sources, drawn.plans
        # Sums in another order differ in the last digits, which must not make a front.
        points = {(round(plan.latency_s, 9), plan.period_s) for plan in plans}
        front = sorted(p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points))
        found = [(plan.latency_s, plan.period_s) for plan in pareto_set(problem, sources)]
        assert found == [pytest.approx(point) for point in front]

    @given(drawn=draws())
    @thoroughly
    def test_with_fewer_devices(self, drawn: Drawn) -> None:
        problem, sources, plans = drawn.problem, drawn.sources, drawn.plans
        for most in range(1, len(problem.devices) + 1):
            allowed = [plan for plan in plans if len(plan.devices) <= most]
            best = min_latency(problem, sources, most_devices=most)
            assert best is not None
            assert best.latency_s == pytest.approx(min(plan.latency_s for plan in allowed))

    @given(drawn=draws())
    @thoroughly
    def test_with_memory_and_without_a_device(self, drawn: Drawn) -> None:
        problem, sources, plans = drawn.problem, drawn.sources, drawn.plans
        has = dict.fromkeys(problem.devices, 6.0)
        forbidden = problem.devices[-1]
        fitting = [
            plan for plan in plans if forbidden not in plan.devices and _fits(problem, plan, has["d0"])
        ]
        best = max_throughput(problem.without([forbidden]).within(has), sources)
        if not fitting:
            assert best is None
        else:
            assert best is not None
            assert best.period_s == min(plan.period_s for plan in fitting)


def _fits(problem: Problem, plan: Plan, has_bytes: float) -> bool:
    bounds = [problem.cuts.index(cut) for cut in (0, *plan.cuts, problem.cuts[-1])]
    return all(
        problem.memory_bytes[problem.devices.index(name), start, stop] <= has_bytes
        for name, start, stop in zip(plan.devices, bounds[:-1], bounds[1:], strict=True)
    )


def test_depth_shares_the_way_round_until_the_bottleneck_sets_the_pace() -> None:
    plan = Plan(("a", "b"), (3,), latency_s=0.010, period_s=0.004, bottleneck="b")
    assert [plan.period_at(depth) for depth in (1, 2, 3)] == [0.010, 0.005, 0.004]


def test_evaluate_names_the_bottleneck() -> None:
    problem = draw_problem(2, 4, 0)
    problem.link.period_s[0, 1, 2] = 1000.0
    assert evaluate(problem, ["d0", "d1"], [problem.cuts[2]]).bottleneck == "d0 -> d1"


@pytest.mark.parametrize(("devices", "cuts"), [(["d0", "d1"], []), (["d0"], [1]), (["nobody"], [])])
def test_evaluate_refuses_what_is_no_pipeline(devices: list[str], cuts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"cuts|not in tuple"):
        evaluate(draw_problem(2, 4, 0), devices, cuts)


def test_a_large_lab_is_planned_whole() -> None:
    """8 devices and 100 cut points: exact, and no one waits for it. The bound is ten times what it takes."""
    problem = draw_problem(8, 102, 1)
    began_s = time.perf_counter()
    front = pareto_set(problem, problem.devices[:1])
    assert time.perf_counter() - began_s < 60
    quick, steady = min_latency(problem, ["d0"]), max_throughput(problem, ["d0"])
    assert quick is not None and steady is not None
    assert front[0].latency_s == pytest.approx(quick.latency_s)
    assert front[-1].period_s == steady.period_s
    assert np.all(np.diff([plan.latency_s for plan in front]) > 0)
    assert np.all(np.diff([plan.period_s for plan in front]) < 0)
