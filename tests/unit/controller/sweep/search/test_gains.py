"""Expected gains, beside areas worked out by hand and by drawing."""

import numpy as np
import pytest

from controller.results.pareto import hypervolume
from controller.sweep.search.belief import Belief
from controller.sweep.search.gains import answer_gains, area_gains

KNOWN = [(1.0, 3.0), (2.0, 1.0), (3.0, 3.0)]
CORNER = (4.0, 4.0)


def belief(*points: tuple[float, float], spread: float = 1e-6) -> Belief:
    return Belief(np.array(points), np.full((len(points), 2), spread))


def test_a_certain_split_gains_what_it_adds_to_the_area() -> None:
    splits = belief((1.5, 2.0), (0.99999, 0.99999), (2.1, 1.1), (0.5, 5.0))
    # Held is 3 * 1 + 2 * 2; the second adds 2, the last is beyond the box.
    assert area_gains(KNOWN, CORNER, splits) == pytest.approx(
        np.array([0.5, 2.0, 0.0, 0.0]) / 9, rel=3e-3, abs=1e-4
    )


def test_where_nothing_is_held_the_most_promising_split_gains_one() -> None:
    assert area_gains([], CORNER, belief((1.0, 1.0), (2.0, 2.0))) == pytest.approx([1.0, 4 / 9], rel=2e-3)
    assert not area_gains([], CORNER, belief((5.0, 1.0))).any()
    # That a split may by chance be within the box is no reason to measure it.
    assert area_gains([], CORNER, belief((5.0, 1.0), spread=0.06))[0] < 0.01


@pytest.mark.parametrize("point", [(1.5, 2.0), (2.0, 1.0), (3.9, 0.9), (4.2, 1.0)])
def test_an_uncertain_split_gains_the_mean_over_what_it_may_be(point: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    held = hypervolume(KNOWN, CORNER)
    draws = np.exp(np.log(point) + 0.1 * rng.normal(size=(4000, 2)))
    drawn = [hypervolume([*KNOWN, (float(a), float(b))], CORNER) - held for a, b in draws]
    gain = area_gains(KNOWN, CORNER, belief(point, spread=0.1))[0]
    # Alone, it is the most that any is expected to add.
    assert gain == pytest.approx(np.mean(drawn) / (held + np.mean(drawn)), rel=0.06)


def test_an_answer_is_better_by_what_is_beyond_two_per_cent() -> None:
    gains = answer_gains([(1.0, 9.0), (2.0, 8.0)], 0, belief((0.9, 1.0), (0.99, 1.0), (1.2, 1.0)))
    assert gains == pytest.approx([0.08, 0.0, 0.0], abs=1e-4)
    uncertain = answer_gains([(1.0, 9.0)], 0, belief((0.99, 1.0), spread=0.05))
    assert 0.01 < uncertain[0] < 0.03
