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


def test_for_one_objective_the_other_figures_errors_neither_widen_the_margin_nor_are_mixed_up() -> None:
    predicted: dict[tuple[int, ...], Point] = {(i,): (1.0, 1.0) for i in range(6)}
    search = Search(predicted, most=6, figures=(0, 0))
    search.measured = {(0,): (1.0, 1.0), (1,): (1.0, 2.0), (2,): (1.0, 3.0), (3,): (1.0, 4.0)}
    assert search.margin() < 0.05 < Search(predicted, most=6, measured=search.measured).margin()
    assert search.corrected()[5,][0] == pytest.approx(1.0)
    assert search.corrected()[5,][1] > 1.5


def test_a_split_that_cannot_be_measured_is_left_out() -> None:
    truth = _truth(20)
    found = Search(truth, most=20).run(lambda split: None if split == front_of(truth)[0] else truth[split])
    assert front_of(truth)[0] not in found
    assert found


def test_what_is_off_on_one_chain_says_little_of_another() -> None:
    predicted: dict[tuple[str, int], Point] = {(chain, i): (1.0, 1.0) for chain in "ab" for i in range(5)}
    search = Search(predicted, most=10, place=lambda split: (split[0], (split[1],)))
    search.measured = {("a", 0): (2.0, 1.0), ("a", 1): (2.0, 1.0), ("b", 4): (0.5, 1.0)}
    corrected = search.corrected()
    assert corrected["a", 2][0] == pytest.approx(2.0)
    assert corrected["b", 2][0] == pytest.approx(0.5)


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


def test_after_what_is_compared_with_the_predicted_front_is_looked_at() -> None:
    """A split that is best by prediction alone is not given up for what another one was off."""
    predicted = {(i,): (1.0 + 0.1 * i, 2.0 - 0.1 * i) for i in range(9)}
    search = Search(predicted, most=5, first=[(4,)])
    search.measured[4,] = (0.5, 0.5)
    assert search.choose() == [(0,), (8,)]


def test_what_one_split_was_off_says_less_of_those_in_another_place() -> None:
    predicted = {(i,): (0.01 * (i + 1), 0.02 - 0.001 * i) for i in range(6)}
    place = {split: ("alone" if split == (5,) else "both", split) for split in predicted}
    search = Search(predicted, most=4, place=place.__getitem__)
    search.measured.update({(3,): (0.08, 0.034), (4,): (0.1, 0.032), (5,): predicted[5,]})
    corrected = search.corrected()
    assert corrected[5,] == pytest.approx(predicted[5,])
    assert corrected[2,] == pytest.approx((0.06, 0.036))
