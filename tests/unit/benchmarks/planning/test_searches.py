"""How searches compare with exhaustive sweeps, ends and random splits, on cells whose answers are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.planning.cells import MeasuredCell
from benchmarks.planning.figures import figures_of
from benchmarks.planning.searches import (
    Comparison,
    comparisons_of,
    mean_with_interval,
    time_shares_of,
    without_noise,
)

CUTS = range(40)
BEST = 7


def true_s(cut: int, depth: int) -> float:
    """Both figures are least at cut 7, and the ends are far worse."""
    away = abs(cut - BEST)
    return 0.010 + 0.001 * away if depth == 1 else 0.004 + 0.001 * away


def cells(
    *,
    predicted: Callable[[float], float] = lambda seconds: seconds,
    noise: float = 0.0,
    network: str = "lan",
) -> list[MeasuredCell]:
    """Two sweeps whose visits have log figures of this standard deviation."""
    rng = np.random.default_rng(1)
    return [
        MeasuredCell(
            *("m", network, ("pi", "server"), (cut,), depth),
            predicted=predicted(true_s(cut, depth)),
            measured=true_s(cut, depth) * float(np.exp(noise * rng.normal())),
            repeated=true_s(cut, depth) * float(np.exp(noise * rng.normal())),
            visit_s=2.0,
        )
        for cut in CUTS
        for depth in (1, 4)
    ]


def test_a_search_that_predicts_well_finds_all_that_an_exhaustive_sweep_finds() -> None:
    found = comparisons_of(cells(), {"m": 20})["m", "lan"]
    assert (found.searched, found.exhaustive, found.of_exhaustive) == (1.0, 1.0, 1.0)
    # Of the ends and the equal split the end at 0 is nearest: 7 of 32 steps from the best in both figures.
    assert found.ends == pytest.approx(((32 - 7) / 32) ** 2)
    assert found.ends < found.at_random < 1
    assert set(found.visits.values()) == {0.0, 1.0}
    assert found.share <= 7 / 40


def test_what_a_search_finds_is_compared_with_what_an_exhaustive_sweep_finds() -> None:
    half = Comparison(searched=0.4, exhaustive=0.5, ends=0.1, at_random=0.2, visits={(0,): 1.0, (1,): 0.5})
    assert half.of_exhaustive == pytest.approx(0.8)
    assert half.share == pytest.approx(0.75)
    assert replace(half, exhaustive=0.0).of_exhaustive == 1


def test_predictions_that_are_the_wrong_way_round_find_little() -> None:
    lines = comparisons_of(cells(predicted=lambda seconds: 1e-4 / seconds), {"m": 20})
    assert lines["m", "lan"].searched < 0.9


def test_noise_costs_an_exhaustive_sweep_some_of_the_front_too() -> None:
    """With predictions that are right, the true figures are known however noisy the sweeps were."""
    found = comparisons_of(cells(noise=0.15), {"m": 20})["m", "lan"]
    assert 0.9 < found.exhaustive < 1
    assert found.ends == pytest.approx(((32 - 7) / 32) ** 2, abs=0.1)


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.2])
def test_predictions_are_as_wrong_as_the_noise_leaves(wrong: float) -> None:
    rng = np.random.default_rng(2)
    errors, noise = rng.normal(size=(4000, 2)) * 0.1, rng.normal(size=(4000, 2)) * 0.1 / np.sqrt(2)
    away = without_noise(0.3 + wrong * rng.normal(size=(4000, 2)) + noise, errors)
    assert away.mean(axis=0) == pytest.approx([0.3, 0.3], abs=0.01)
    assert away.std(axis=0) == pytest.approx([wrong, wrong], abs=0.02)


def test_profiling_counts_once_for_all_networks_of_a_model() -> None:
    both = [*cells(), *cells(network="wan")]
    lines = comparisons_of(both, {"m": 20})
    measured = sum(2 * sum(line.visits.values()) for line in lines.values())
    # Five visits of 2 s for each of a split's two cells.
    (share,) = time_shares_of(both, lines, {"m": 100.0})
    assert share == pytest.approx((100 + 5 * 2.0 * measured) / (5 * 2.0 * 2 * 2 * 40))


def test_the_figures_judge_the_worst_line_and_the_interval() -> None:
    right = cells()
    wrong = cells(predicted=lambda seconds: 1e-4 / seconds, network="wan")
    found = figures_of([*right, *wrong], {"m": 20}, [1.0], profiling_s={"m": 1.0})
    assert found["hypervolume_ratio"].n == 2
    assert found["behind_exhaustive"].high == pytest.approx(1 - found["hypervolume_ratio"].low)
    assert found["more_than_random"].low < found["more_than_random"].median
    assert found["time_share"].n == 1


def test_a_mean_has_students_interval() -> None:
    interval = mean_with_interval([1.0, 2.0, 3.0])
    assert interval is not None
    # t of 2 degrees of freedom at 97.5 %: 4.303; standard error 1 / sqrt(3).
    assert interval.low == pytest.approx(2 - 4.303 / 3**0.5, abs=1e-3)
    assert interval.median == 2.0
    assert mean_with_interval([1.0]) is None
