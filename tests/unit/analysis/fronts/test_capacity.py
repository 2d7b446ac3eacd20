"""A split's capacity, at planted depths, rates and shares."""

from dataclasses import replace
from typing import cast

import pytest

from analysis.data.sweep import CellResult
from analysis.data.trial_metrics import TrialMeasures
from analysis.fronts.capacity import Capacity, capacity_of
from tests.unit.analysis.synthetic import CELL


def result(depth: int, rates_per_s: list[float], share: float | None = 0.5) -> CellResult:
    trials = tuple(
        cast(TrialMeasures, _Trial(block=number, throughput_per_s=rate, bottleneck_share=share))
        for number, rate in enumerate(rates_per_s)
    )
    return CellResult(replace(CELL, depth=depth), cast("object", None), trials, 0, None)  # type: ignore[arg-type]


def capacity_at(*results: CellResult) -> Capacity:
    """What cells of one split show, the best of them last."""
    return capacity_of(results, results[-1])


class _Trial:
    def __init__(self, **figures: float | None) -> None:
        self.__dict__.update(figures)


def test_where_a_deeper_pipeline_gains_nothing_the_best_of_both_is_the_capacity() -> None:
    """On two cores depth 1 is often the faster one."""
    best = result(1, [100.0, 101.0, 102.0])
    assert not capacity_of([best, result(4, [95.0, 96.0, 97.0])], best).is_bound


def test_where_throughput_still_rises_it_is_a_bound() -> None:
    """Depth 4 over 25 ms links: 4 / 54 ms = 74/s, of a split that can do 500/s."""
    capacity = capacity_at(result(1, [18.5], share=0.037), result(4, [74.0], share=0.148))
    assert capacity.is_bound
    assert capacity.limit == pytest.approx(500)


def test_between_depth_and_twice_the_depth_a_gain_below_three_percent_is_flat() -> None:
    for last, is_bound in ((205.0, False), (210.0, True)):
        capacity = capacity_at(result(4, [100.0]), result(8, [200.0]), result(16, [last]))
        assert capacity.is_bound == is_bound


def test_less_than_twice_the_depth_does_not_tell() -> None:
    assert capacity_at(result(4, [200.0]), result(6, [201.0])).is_bound


def test_a_stage_that_is_always_in_use_leaves_nothing_to_gain() -> None:
    capacity = capacity_at(result(1, [100.0], share=0.5), result(4, [196.0], share=0.98))
    assert not capacity.is_bound
    assert capacity.limit == pytest.approx(200)


def test_an_unknown_share_limits_nothing() -> None:
    capacity = capacity_at(result(4, [196.0], share=None))
    assert capacity.is_bound
    assert capacity.limit == float("inf")
