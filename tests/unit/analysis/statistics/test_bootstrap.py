"""How sure fronts are, held against counting by hand."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.data.splits import describe
from analysis.data.sweep import Sweep
from analysis.fronts.fronts import Point, judged
from analysis.statistics.attainment import surfaces
from analysis.statistics.bootstrap import Resampling, hypervolumes, nondominated, shares_nondominated
from analysis.statistics.estimates import Estimate, estimate
from analysis.statistics.objectives import OBJECTIVES, Objective
from controller.results import TIMED, Cell, ReferenceBox
from tests.unit.analysis.synthetic import BUNDLE, Physics

_FEW = st.integers(1, 5).map(float)
_PAIRS = st.tuples(_FEW, _FEW)
_THREE: tuple[Objective, ...] = ("latency", "throughput", "payload")


def _point(number: int, latencies: list[float], rates: list[float]) -> Point:
    cell = Cell(
        model="m",
        bundle=BUNDLE,
        cuts=(number,),
        label="x",
        devices=("pi", "server"),
        network="lan",
        shaping="emulated",
    )
    return Point(
        "operating",
        cell,
        cell,
        describe((number,), "x", ("pi", "server"), 99),
        estimate(latencies),
        estimate(rates),
    )


def _better(one: tuple[float, ...], other: tuple[float, ...], objectives: tuple[Objective, ...]) -> bool:
    """`one` weakly dominates `other`."""
    return all(
        a >= b if OBJECTIVES[o].maximise else a <= b for a, b, o in zip(one, other, objectives, strict=True)
    )


def _front(rows: list[tuple[float, ...]], objectives: tuple[Objective, ...]) -> list[bool]:
    return [
        not any(
            _better(other, row, objectives) and (other != row or j < i)
            for j, other in enumerate(rows)
            if j != i
        )
        for i, row in enumerate(rows)
    ]


@given(st.sets(st.sampled_from(tuple(OBJECTIVES)), min_size=1), st.data())
def test_any_objectives_make_the_front_that_comparing_all_pairs_makes(
    chosen: set[Objective], data: st.DataObject
) -> None:
    objectives = tuple(o for o in OBJECTIVES if o in chosen)
    row = st.tuples(*[_FEW] * len(objectives))
    rows = data.draw(st.lists(row, min_size=1, max_size=15))
    assert nondominated(np.array(rows), objectives).tolist() == _front(rows, objectives)


@given(
    st.sets(st.sampled_from(tuple(OBJECTIVES)), min_size=1, max_size=3),
    st.tuples(st.integers(1, 4), st.integers(0, 6)),
    st.randoms(use_true_random=False),
)
def test_shares_over_draws_count_the_front_of_each(
    chosen: set[Objective], shape: tuple[int, int], random: Random
) -> None:
    objectives = tuple(o for o in OBJECTIVES if o in chosen)
    resamples, candidates = shape
    draws = np.array(
        [
            [[random.choice((1.0, 2.0, 3.0, np.nan)) for _ in objectives] for _ in range(candidates)]
            for _ in range(resamples)
        ]
    ).reshape(resamples, candidates, len(objectives))
    counted = np.mean([nondominated(each, objectives) for each in draws], axis=0)
    assert shares_nondominated(draws, objectives).tolist() == counted.tolist()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(_PAIRS, _PAIRS), min_size=1, max_size=3))
def test_the_probability_is_what_all_possible_draws_make_it(
    candidates: list[tuple[tuple[float, float], tuple[float, float]]],
) -> None:
    """Two blocks have four draws, all equally likely and the same for all splits: count them."""
    points = [_point(i, list(latencies), list(rates)) for i, (latencies, rates) in enumerate(candidates)]
    exact = np.zeros(len(points))
    every = list(itertools.product((0, 1), repeat=2))
    for chosen in every:
        rows: list[tuple[float, ...]] = [
            (np.median([lat[i] for i in chosen]), np.median([rate[i] for i in chosen]))
            for lat, rate in candidates
        ]
        exact += _front(rows, TIMED)
    exact /= len(every)
    found = judged("operating", points, TIMED, Resampling(seed=3), None).points
    for point, share in zip(found, exact, strict=True):
        assert point.probability is not None
        # Five standard errors of 1000 draws.
        assert abs(point.probability - share) <= 5 * np.sqrt(share * (1 - share) / 1000) + 1e-12


def test_one_trial_tells_no_probability() -> None:
    points = [_point(0, [1.0], [2.0]), _point(1, [2.0, 2.1], [3.0, 3.1])]
    front = judged("operating", points, TIMED, Resampling(0), ReferenceBox(BUNDLE, "lan", 4.0, 4.0))
    assert [p.probability for p in front.points] == [None, 1.0]
    assert front.hypervolume.value is not None and front.hypervolume.low is None
    assert front.surfaces == ()


def test_the_same_seed_draws_the_same_and_another_one_does_not(other: Callable[..., Sweep]) -> None:
    noisy = other(physics=Physics(noise=0.15))
    figure = noisy.cells[0].latency()
    first = Resampling(seed=1).draws(figure)
    assert np.array_equal(first, Resampling(seed=1).draws(figure))
    assert not np.array_equal(first, Resampling(seed=2).draws(figure))


def test_figures_of_the_same_blocks_are_drawn_together() -> None:
    """A block that is slow for all cells makes no split look better than another."""
    one, twice = estimate([1.0, 1.5, 1.2], [0, 1, 4]), estimate([2.0, 3.0, 2.4], [0, 1, 4])
    assert Resampling(0).draws(twice) / Resampling(0).draws(one) == pytest.approx(2)
    apart = estimate([2.0, 3.0, 2.4], [0, 1, 2])
    assert np.std(Resampling(0).draws(apart) / Resampling(0).draws(one)) > 0.1


def test_a_surface_pairs_what_ran_in_the_same_block() -> None:
    """The second split joined in block 1, the first one lacks block 3: blocks 1 and 2 have a front each."""
    first = estimate([9.0, 1.0, 2.0], [0, 1, 2]), estimate([1.0, 10.0, 20.0], [0, 1, 2])
    second = estimate([5.0, 6.0, 9.0], [1, 2, 3]), estimate([50.0, 60.0, 1.0], [1, 2, 3])
    steps = {s.level: s.steps for s in surfaces([first, second])}
    assert steps["any"] == ((1.0, 10.0), (2.0, 20.0), (5.0, 50.0), (6.0, 60.0))
    assert steps["every"] == ((2.0, 10.0), (5.0, 20.0), (6.0, 50.0))


@given(st.lists(_PAIRS, min_size=1, max_size=8))
def test_the_hypervolume_is_the_unit_squares_that_are_dominated(points: list[tuple[float, float]]) -> None:
    draws = np.array([points])
    dominated = sum(any(x <= i and y <= j for x, y in points) for i in range(4) for j in range(3))
    assert hypervolumes(draws, np.array([4.0, 3.0]))[0] == pytest.approx(dominated / 12)


def test_a_fronts_hypervolume_is_its_share_of_the_box_from_zero_to_the_corner() -> None:
    """In latency and time a sample: (1, 2) and (2, 1) dominate 8 of 16; (0.5, 8) lies outside."""
    box = ReferenceBox(BUNDLE, "lan", latency_s=4.0, sample_s=4.0)
    points = [
        _point(0, [1.0] * 3, [0.5] * 3),
        _point(1, [2.0] * 3, [1.0] * 3),
        _point(2, [0.5] * 3, [1 / 8] * 3),
    ]
    whole = _hypervolume(points, TIMED, box)
    assert (whole.value, whole.low, whole.high) == (0.5, 0.5, 0.5)
    assert _hypervolume(points, _THREE, box).value is None
    paid = [replace(p, payload=estimate([7.0] * 3)) for p in points]
    assert _hypervolume(paid, _THREE, box).value == 0.5
    assert _hypervolume(paid, ("latency", "payload"), box).value is None
    assert _hypervolume(points, TIMED, None).value is None


def _hypervolume(
    points: list[Point], objectives: tuple[Objective, ...], box: ReferenceBox | None
) -> Estimate:
    return judged("operating", points, objectives, Resampling(0), box).hypervolume


@given(
    st.integers(2, 4).flatmap(
        lambda trials: st.lists(
            st.tuples(*[st.lists(_FEW, min_size=trials, max_size=trials)] * 2), min_size=1, max_size=5
        )
    )
)
def test_a_surface_bounds_what_so_many_trials_attained(
    candidates: list[tuple[list[float], list[float]]],
) -> None:
    trials = len(candidates[0][0])
    found = {
        s.level: s.steps for s in surfaces([(estimate(lat), estimate(rate)) for lat, rate in candidates])
    }
    for latency, rate in itertools.product(range(1, 6), repeat=2):
        attained = sum(
            any(lat[t] <= latency and r[t] >= rate for lat, r in candidates) for t in range(trials)
        )
        for level, least in (("any", 1), ("half", trials / 2), ("every", trials)):
            inside = any(x <= latency and y >= rate for x, y in found[level])  # type: ignore[index]
            assert inside is (attained >= least), level


def test_memory_is_that_of_the_fullest_worker_that_took_part(sweep: Sweep) -> None:
    from analysis.data.trial_metrics import _fullest_bytes
    from controller.results import Results

    with Results.open(sweep.path) as store:
        trial = next(t for t in store.trials() if len(t.hops) == 2)
    told = [
        ("pi", {"process_memory_bytes": 5}),
        ("server", {"process_memory_bytes": 7}),
        ("pi", {"process_memory_bytes": 6}),
    ]
    key = "process_memory_bytes"
    assert _fullest_bytes(trial, [*told, ("idle", {key: 99})], key) == 7
    assert _fullest_bytes(trial, told[:1], key) is None, "one that did not tell might be the fullest"
