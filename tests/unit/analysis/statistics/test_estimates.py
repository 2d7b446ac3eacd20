"""Figures from few samples: null rather than a guess, and intervals that say what they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.estimates import Estimate, estimate, quantile, ratio, samples_needed


@pytest.mark.parametrize(("q", "needed"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662)])
def test_quantiles_want_the_samples_that_the_design_names(q: float, needed: int) -> None:
    assert samples_needed(q) == needed
    assert quantile(np.arange(needed - 1), q) is None
    assert quantile(np.arange(needed), q) == pytest.approx(q * (needed - 1))


def test_few_trials_give_their_range_and_say_so() -> None:
    assert estimate([3.0, 1.0, 2.0]) == Estimate(2.0, 1.0, 3.0, 3, "range")


def test_one_trial_gives_no_interval() -> None:
    assert estimate([2.0]) == Estimate(2.0, None, None, 1, None)


def test_a_trial_without_the_figure_takes_it_from_all() -> None:
    assert estimate([1.0, None, 3.0]).value is None


@given(st.lists(st.floats(1e-6, 1e6), min_size=6, max_size=30))
def test_the_bootstrap_holds_the_median_and_stays_within_the_trials(trials: list[float]) -> None:
    figure = estimate(trials)
    assert figure.kind == "bootstrap95"
    assert figure.value is not None and figure.low is not None and figure.high is not None
    assert min(trials) <= figure.low <= figure.value <= figure.high <= max(trials)
    assert figure == estimate(trials), "the same trials give the same interval"


def test_a_ratio_has_the_widest_interval_that_its_parts_allow() -> None:
    figure = ratio(Estimate(4.0, 3.0, 5.0, 3, "range"), Estimate(2.0, 1.0, 4.0, 3, "range"))
    assert (figure.value, figure.low, figure.high) == (2.0, 0.75, 5.0)


def test_a_ratio_to_one_trial_has_no_interval() -> None:
    figure = ratio(Estimate(4.0, 3.0, 5.0, 3, "range"), Estimate(2.0, None, None, 1, None))
    assert (figure.value, figure.low, figure.high) == (2.0, None, None)
