"""What measurements say of other splits."""

import numpy as np
import pytest

from controller.results.pareto import Point
from controller.sweep.search.belief import Beliefs

Cuts = tuple[int, ...]
ONE: dict[Cuts, Point] = {(i,): (1.0, 1.0) for i in range(10)}


def of_one_chain(split: Cuts) -> tuple[str, Cuts]:
    return "chain", split


def test_before_any_measurement_predictions_are_believed() -> None:
    belief = Beliefs(ONE, of_one_chain).after({})
    assert belief.points == pytest.approx(np.ones((10, 2)))


def test_what_is_off_on_one_chain_says_little_of_another() -> None:
    predicted: dict[tuple[str, int], Point] = {(chain, i): (1.0, 1.0) for chain in "ab" for i in range(5)}
    beliefs = Beliefs(predicted, lambda split: (split[0], (split[1],)))
    belief = beliefs.after({("a", 0): (1.5, 1.0), ("a", 1): (1.5, 1.0), ("b", 4): (0.8, 1.0)})
    latencies_s = dict(zip(predicted, belief.points[:, 0], strict=True))
    assert latencies_s["a", 2] == pytest.approx(1.5, rel=0.06)
    assert latencies_s["b", 2] == pytest.approx(0.8, rel=0.06)


def test_what_all_are_off_is_corrected_and_what_one_visit_is_off_only_in_part() -> None:
    beliefs = Beliefs(ONE, of_one_chain)
    common = beliefs.after({(i,): (2.0, 1.0) for i in (0, 4, 9)})
    assert common.points[6] == pytest.approx([2.0, 1.0], rel=0.03)
    odd = beliefs.after({(0,): (1.0, 1.0), (4,): (1.05, 1.0), (9,): (1.0, 1.0)}).points[:, 0]
    assert 1.01 < odd[4] < 1.04
    assert 1.0 < odd[5] < odd[4]
    assert odd[5] > odd[8]


def test_of_hundreds_of_measurements_the_best_of_each_figure_are_learnt_from() -> None:
    predicted: dict[Cuts, Point] = {(i,): (1.0, 1.0) for i in range(400)}
    measured: dict[Cuts, Point] = {(i,): (1.0, 1.0) for i in range(300)}
    measured[0,], measured[1,] = (0.5, 4.0), (4.0, 0.5)
    points = Beliefs(predicted, of_one_chain).after(measured).points
    assert points[0, 0] < 0.9 and points[1, 1] < 0.9


def test_what_is_wide_apart_makes_only_its_own_figure_uncertain() -> None:
    beliefs = Beliefs(ONE, of_one_chain)
    belief = beliefs.after({(0,): (1.0, 1.0), (2,): (1.0, 1.5), (4,): (1.0, 0.8), (9,): (1.0, 1.3)})
    latency, sample = belief.spreads[6]
    assert latency < 0.03
    assert sample > 2 * latency
    # What was measured is known better than what was not.
    assert belief.spreads[2, 0] < latency
