"""Fronts of two figures, and areas worked out by hand."""

from controller.results.pareto import front_of, hypervolume


def test_of_equal_points_the_first_is_on_the_front_and_a_weakly_dominated_one_is_not() -> None:
    points = {"deep": (2.0, 1.0), "first": (1.0, 3.0), "equal": (1.0, 3.0), "weakly": (1.0, 4.0)}
    assert front_of(points) == ["first", "deep"]
    assert front_of({}) == []


def test_hypervolume_of_two_steps() -> None:
    assert hypervolume([(1, 3), (2, 1), (2, 2)], (4, 4)) == (4 - 1) * (4 - 3) + (4 - 2) * (3 - 1)
    assert hypervolume([(5, 5)], (4, 4)) == 0
    assert hypervolume([], (4, 4)) == 0
