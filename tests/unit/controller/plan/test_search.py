"""Searching a front by measuring little."""

import numpy as np
import pytest

from controller.plan.search import Point, Search, front_of, hypervolume


def _truth(splits: int) -> dict[tuple[int, ...], Point]:
    """Latency falls towards one end, the time a sample towards the middle."""
    rng = np.random.default_rng(1)
    where = np.linspace(0, 1, splits)
    latency_s = 0.01 + 0.02 * where + rng.uniform(0, 0.002, splits)
    interval_s = 0.004 + 0.02 * np.abs(where - 0.4) + rng.uniform(0, 0.002, splits)
    return {(i,): (float(a), float(b)) for i, (a, b) in enumerate(zip(latency_s, interval_s, strict=True))}


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


def test_a_split_that_cannot_be_measured_is_left_out() -> None:
    truth = _truth(20)
    found = Search(truth, most=20).run(lambda split: None if split == front_of(truth)[0] else truth[split])
    assert front_of(truth)[0] not in found
    assert found


def test_hypervolume_of_two_steps() -> None:
    assert hypervolume([(1, 3), (2, 1), (2, 2)], (4, 4)) == (4 - 1) * (4 - 3) + (4 - 2) * (3 - 1)
    assert hypervolume([(5, 5)], (4, 4)) == 0
