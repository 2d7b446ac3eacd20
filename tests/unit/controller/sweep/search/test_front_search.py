"""Searching a front by measuring little."""

import numpy as np
import pytest

from controller.results.pareto import Point, front_of, hypervolume
from controller.sweep.search.front_search import Search


def _truth(splits: int) -> dict[tuple[int, ...], Point]:
    """Latency falls towards one end, the time a sample towards the middle."""
    rng = np.random.default_rng(1)
    where = np.linspace(0, 1, splits)
    latency_s = 0.01 + 0.02 * where + rng.uniform(0, 0.002, splits)
    period_s = 0.004 + 0.02 * np.abs(where - 0.4) + rng.uniform(0, 0.002, splits)
    return {(i,): (float(a), float(b)) for i, (a, b) in enumerate(zip(latency_s, period_s, strict=True))}


@pytest.mark.parametrize("off", [1.0, 1.5, 0.5])
def test_a_fifth_of_the_splits_finds_nearly_all_of_the_front(off: float) -> None:
    truth = _truth(60)
    rng = np.random.default_rng(2)
    wrong: dict[tuple[int, ...], Point] = {
        split: (point[0] * off * rng.uniform(0.95, 1.05), point[1] * off * rng.uniform(0.95, 1.05))
        for split, point in truth.items()
    }
    found = Search(wrong, most=12).run(lambda split: truth[split])
    reference = (max(p[0] for p in truth.values()), max(p[1] for p in truth.values()))
    assert len(found) <= 12
    whole = hypervolume(list(truth.values()), reference)
    assert hypervolume(list(found.values()), reference) >= 0.98 * whole


def test_it_ends_when_nothing_else_can_be_on_the_front() -> None:
    truth: dict[tuple[int, ...], Point] = {(i,): (0.01 * (i + 1), 0.01 * (i + 1)) for i in range(40)}
    found = Search(truth, most=40).run(lambda split: truth[split])
    assert (0,) in found
    assert len(found) < 10


@pytest.mark.parametrize("figure", [0, 1])
def test_for_one_objective_only_splits_that_may_be_best_for_it_are_measured(figure: int) -> None:
    truth = _truth(60)
    both = Search(truth, most=60).run(lambda split: truth[split])
    search = Search(truth, most=60, figures=(figure, figure))
    found = search.run(lambda split: truth[split])
    best = min(truth, key=lambda split: truth[split][figure])
    assert best in found
    assert len(found) < len(both)
    worst = max(truth[split][figure] for split in found)
    assert worst < 1.2 * truth[best][figure], "none that is far from the best"


def test_a_split_that_cannot_be_measured_is_left_out() -> None:
    truth = _truth(20)
    found = Search(truth, most=20).run(lambda split: None if split == front_of(truth)[0] else truth[split])
    assert front_of(truth)[0] not in found
    assert found


def test_to_the_end_all_are_measured_and_those_nearest_to_the_front_first() -> None:
    truth = {(i,): (0.01 * (i + 1), 0.01 * (i + 1)) for i in range(20)}
    search = Search(truth, most=20, at_once=1, to_the_end=True)
    found = list(search.run(lambda split: truth[split]))
    assert found[0] == (0,)
    assert sorted(found) == sorted(truth)
    assert found[-10:] == [(i,) for i in range(10, 20)]


def test_when_none_of_the_first_can_be_measured_others_are_tried() -> None:
    truth = _truth(20)
    first = Search(truth, most=20).choose()
    found = Search(truth, most=20).run(lambda split: None if split in first else truth[split])
    assert len(found) > 1


def test_three_stages_are_searched_like_two() -> None:
    """435 splits over three unequal devices, predicted with one error in ten, and all of them too good."""
    rng = np.random.default_rng(5)
    upto_s = np.concatenate([[0.0], np.cumsum(rng.uniform(0.5e-3, 2e-3, 29))])
    sent_s = rng.uniform(0.5e-3, 4e-3, 30)
    truth: dict[tuple[int, ...], Point] = {}
    predicted: dict[tuple[int, ...], Point] = {}
    for i in range(30):
        for j in range(i + 1, 30):
            stages = 4 * upto_s[i], 2 * (upto_s[j] - upto_s[i]), upto_s[-1] - upto_s[j]
            parts = *stages, float(sent_s[i]), float(sent_s[j])
            noise = rng.uniform(0.97, 1.03, 2)
            truth[i, j] = float(sum(parts) * noise[0]), float(max(parts) * noise[1])
            off = 0.8 * rng.uniform(0.9, 1.1, 2)
            predicted[i, j] = float(sum(parts) * off[0]), float(max(parts) * off[1])
    found = Search(predicted, most=len(truth) // 5).run(lambda split: truth[split])
    reference = (max(p[0] for p in truth.values()), max(p[1] for p in truth.values()))
    whole = hypervolume(list(truth.values()), reference)
    assert hypervolume(list(found.values()), reference) >= 0.98 * whole
    assert len(found) <= len(truth) // 5


def test_what_answers_are_compared_with_is_measured_first() -> None:
    truth = _truth(60)
    compared = [(30,), (0,), (59,)]
    search = Search(truth, most=15, first=compared)
    assert search.choose() == compared
    found = search.run(lambda split: truth[split] if split != (0,) else None)
    assert {(30,), (59,)} <= set(found)
    assert search.failed == {(0,)}
    assert len(found) + len(search.failed) <= 15
    few = Search(truth, most=5, first=compared)
    assert set(compared) < set(few.run(lambda split: truth[split]))


def test_picks_go_to_the_box_between_the_ends_where_the_front_is_judged() -> None:
    """Both ends are nearly as fast as the best split: most splits of the predicted front are beyond it."""
    predicted: dict[tuple[int, ...], Point] = {(0,): (1.03, 1.5), (9,): (1.04, 2.3)}
    predicted |= {(i,): (0.996 + 0.004 * i, 1.20 - 0.01 * i) for i in range(1, 5)}
    predicted |= {(i,): (0.8 + 0.06 * i, 1.75 - 0.15 * i) for i in range(5, 9)}
    search = Search(predicted, most=7, first=[(5,), (0,), (9,)], ends=[(0,), (9,)])
    found = search.run(lambda split: predicted[split])
    assert len(set(found) & {(1,), (2,), (3,), (4,)}) >= 2
    # The last of those beyond the box is the best for throughput; the others are for nothing.
    assert (8,) in found
    assert not set(found) & {(6,), (7,)}


def test_a_better_answer_counts_beyond_the_box_too() -> None:
    predicted = {(0,): (1.0, 1.2), (9,): (1.1, 1.1), (4,): (1.5, 1.0), (5,): (2.0, 0.5), (6,): (2.1, 1.05)}
    search = Search(predicted, most=4, first=[(0,), (9,)], ends=[(0,), (9,)])
    search.measured = {(0,): (1.0, 1.2), (9,): (1.1, 1.1)}
    assert search.choose() == [(5,)]


def test_a_pick_takes_into_account_those_before_it() -> None:
    """Two neighbours are predicted alike, and the second adds little to the first."""
    predicted = {(0,): (4.0, 4.0), (1,): (2.0, 1.0), (2,): (2.01, 1.0), (3,): (1.0, 3.0), (9,): (4.0, 4.1)}
    search = Search(predicted, most=4, first=[(0,), (9,)], ends=[(0,), (9,)])
    search.measured = {end: predicted[end] for end in search.first}
    assert set(search.choose()) == {(1,), (3,)}
