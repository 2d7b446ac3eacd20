"""Fronts of two figures, and areas worked out by hand."""

import pytest

from controller.results.pareto import area_gains, front_of, hypervolume


def test_of_equal_points_the_first_is_on_the_front_and_a_weakly_dominated_one_is_not() -> None:
    points = {"deep": (2.0, 1.0), "first": (1.0, 3.0), "equal": (1.0, 3.0), "weakly": (1.0, 4.0)}
    assert front_of(points) == ["first", "deep"]
    assert front_of({}) == []


def test_hypervolume_of_two_steps() -> None:
    assert hypervolume([(1, 3), (2, 1), (2, 2)], (4, 4)) == (4 - 1) * (4 - 3) + (4 - 2) * (3 - 1)
    assert hypervolume([(5, 5)], (4, 4)) == 0
    assert hypervolume([], (4, 4)) == 0


def test_a_gain_is_what_one_candidate_alone_adds() -> None:
    candidates = {"between": (1.5, 2.0), "better": (1.0, 1.0), "dominated": (2.0, 1.0), "outside": (0.5, 5.0)}
    known = [(1.0, 3.0), (2.0, 1.0), (3.0, 3.0)]
    gains = area_gains(known, candidates, (4.0, 4.0))
    assert gains == pytest.approx({"between": 0.5, "better": 2.0, "outside": 0.0})
    assert area_gains([], candidates, (4.0, 4.0))["dominated"] == pytest.approx(6.0)
