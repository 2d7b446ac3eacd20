"""Laws of a trial: good trials keep them, and each planted breach is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.results import Trial
from controller.results.laws import broken_law
from tests.unit.controller.results.closed_loop import COUNT, DEPTH, a_trial


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_good_trial_keeps_all_laws(depth: int) -> None:
    assert broken_law(a_trial(depth=depth), depth) is None
    assert broken_law(a_trial(depth=depth, gap_s=9e-5), depth) is None


def _elapsed_too_short(trial: Trial) -> Trial:
    return replace(trial, elapsed_s=trial.elapsed_s * 0.99)


def _refilled_late(trial: Trial) -> Trial:
    return a_trial(gap_s=0.001)


def _computed_twice_at_once(trial: Trial) -> Trial:
    rows = trial.hop_rows[1].copy()
    rows["compute_s"] *= 1.01
    return replace(trial, hop_rows=(trial.hop_rows[0], rows))


@pytest.mark.parametrize(
    ("breach", "law"),
    [
        (_elapsed_too_short, "Little's law: requests were in flight for 0.96 s in all; depth 4 x 0.2376 s"),
        (_refilled_late, "Little's law: "),
        (_computed_twice_at_once, "a thread computes one request at a time; stage 3-6 on server computed"),
    ],
)
def test_each_breach_is_named(breach: Callable[[Trial], Trial], law: str) -> None:
    broken = broken_law(breach(a_trial()), DEPTH)
    assert broken is not None and law in broken


def test_an_elapsed_time_that_a_stage_computed_longer_than_is_named_in_an_open_loop_too() -> None:
    trial = a_trial(depth=1)
    broken = broken_law(replace(trial, elapsed_s=COUNT * 0.009), None)
    assert broken is not None and "stage 3-6 on server computed 0.24 s in 0.216 s" in broken


def test_little_holds_for_closed_loops_alone() -> None:
    assert broken_law(a_trial(gap_s=0.001), None) is None
