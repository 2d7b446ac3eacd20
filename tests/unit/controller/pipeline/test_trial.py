"""Trials under an open load: how long they are, what is too much, and the highest rate within a bound."""

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pytest

from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import MOST_RUNS, run_trial
from controller.results import Cell, Course, Hop, Trial
from tests.calibration.open_load import run_queue
from worker.records import ENDPOINT, HOP
from worker.wire.messages import Run

SERVICE_S = 0.01

CELL = Cell(
    model="null",
    bundle="b",
    cuts=(0,),
    label="stay",
    devices=("pi",),
    network="free",
    shaping="none",
    depth=1,
)


@dataclass
class PlantedPipeline:
    """A pipeline of one station whose service times are drawn, and vary by 10 %."""

    cell: Cell
    service_s: float = SERVICE_S
    runs: list[tuple[Run, int]] = field(default_factory=list)

    def run(self, number: int, request: Run, *, warmup: int = 0) -> Trial:
        self.runs.append((request, warmup))
        count = request.requests + max(1, warmup)
        rng = np.random.default_rng(len(self.runs))
        services = self.service_s * rng.gamma(100, 0.01, (count, 1))
        if request.load.kind == "closed":
            finished_s = np.cumsum(services)
            due_s = finished_s - services[:, 0]
        else:
            gaps_s = np.random.default_rng(request.load.seed).standard_exponential((count, 1))
            due = np.cumsum(gaps_s, axis=0) / request.load.rate_per_s
            due_s = due[:, 0]
            finished_s = due_s + run_queue(due, [services], 0.0, count)[:, 0]
        rows = np.zeros(count, ENDPOINT)
        rows["request"] = np.arange(count)
        rows["scheduled_at_s"], rows["finished_at_s"] = due_s, finished_s
        rows["latency_s"] = finished_s - due_s
        rows["wait_source_s"] = rows["latency_s"] - services[:, 0]
        rows["counted"][-request.requests :] = 1
        hop = np.zeros(count, HOP)
        hop["request"], hop["compute_s"] = np.arange(count), services[:, 0]
        hop["compute_at_s"] = finished_s - services[:, 0]
        hop["received_at_s"] = due_s
        counted = rows[rows["counted"] == 1]
        return Trial(
            cell=self.cell.id,
            number=number,
            started_at="2026-01-01T00:00:00",
            elapsed_s=float(counted["finished_at_s"][-1] - rows["finished_at_s"][-len(counted) - 1]),
            checked=0,
            worst_error=0.0,
            hops=(Hop("pi", 0, 2, 1, 0.0, SERVICE_S),),
            links=(),
            endpoint_rows=rows,
            hop_rows=(hop,),
            course=Course(rate_per_s=request.load.rate_per_s, seed=request.load.seed),
        )


def trial_of(pipeline: PlantedPipeline, *, requests: int = 24, lengthen: bool = True) -> Trial:
    runner = cast(PipelineRunner, pipeline)
    return run_trial(runner, pipeline.cell, 0, Run(requests=requests), seed=3, warmup=5, lengthen=lengthen)


def test_an_open_load_runs_for_as_long_as_its_mean_needs_after_the_queue_has_forgotten_its_start() -> None:
    lengths = []
    for rate in (50, 80, 90):
        pipeline = PlantedPipeline(replace(CELL, load=f"poisson:{rate}/s"))
        trial = trial_of(pipeline)
        # After a short closed loop, which tells how long the queue remembers.
        _, (request, warmup) = pipeline.runs
        lengths.append((warmup, request.requests))
        load = rate * SERVICE_S
        expected_s = SERVICE_S * (1 + load * 1.01 / (2 * (1 - load)))
        steady = trial.course.steady
        assert steady is not None
        assert steady.latency_mean_s is not None
        assert steady.latency_mean_s.high is not None
        assert steady.latency_mean_s.value == pytest.approx(expected_s, rel=0.06)
        assert (steady.latency_mean_s.high - steady.latency_mean_s.low) / 2 < 0.1 * expected_s
        assert not trial.course.overloaded
    assert lengths == sorted(lengths)
    assert lengths[-1][0] > 500
    assert lengths[-1][1] > 2_000


def test_an_experiments_own_number_of_requests_stays() -> None:
    pipeline = PlantedPipeline(replace(CELL, load="poisson:90/s"))
    trial_of(pipeline, requests=30, lengthen=False)
    assert pipeline.runs[-1][0].requests == 30


@pytest.mark.parametrize("kind", ["poisson", "constant"])
def test_a_rate_above_what_the_pipeline_can_take_is_overload_however_short_the_waits(kind: str) -> None:
    trial = trial_of(PlantedPipeline(replace(CELL, load=f"{kind}:110/s")), requests=60, lengthen=False)
    assert trial.course.overloaded
    assert trial.course.steady is not None
    assert trial.course.steady.utilisation.value == pytest.approx(1.1, rel=0.03)
    assert (trial.course.steady.latency_mean_s, trial.course.steady.quantiles_s) == (None, {})


def test_the_highest_rate_is_found_with_its_interval() -> None:
    """M/D/1, nearly: at a utilisation of 0.8 the p90 is some 6 service times (Erlang's formula)."""
    pipeline = PlantedPipeline(replace(CELL, load="poisson:p90<=60ms"))
    course = trial_of(pipeline, requests=64).course
    highest = course.highest
    assert course.bound_kept
    assert highest is not None
    assert highest.high is not None
    assert highest.low < highest.value < highest.high < 1.1 * highest.low
    rng = np.random.default_rng(9)
    due = np.cumsum(rng.standard_exponential((20_000, 50)), axis=0) / highest.value
    latency_s = run_queue(due, [SERVICE_S * rng.gamma(100, 0.01, due.shape)], 0.0, len(due))[1_000:]
    # A rate 3 % off would be a p90 that is more than 10 % off.
    assert np.quantile(latency_s, 0.9) == pytest.approx(0.06, rel=0.1)
    assert len(course.attempts) <= MOST_RUNS


def test_where_no_rate_keeps_the_bound_a_low_one_is_shown() -> None:
    course = trial_of(PlantedPipeline(replace(CELL, load="poisson:p90<=9ms")), requests=64).course
    assert (course.bound_kept, course.highest) == (False, None)
    assert [attempt.kept for attempt in course.attempts] == [False]
    assert course.rate_per_s == pytest.approx(0.05 / SERVICE_S, rel=0.1)


def test_a_limit_that_no_record_shows_is_overload_too() -> None:
    """A stage that takes 10 ms, and whose pipeline needs 14 between two requests."""
    pipeline = HiddenPipeline(replace(CELL, depth=2, load="poisson:90/s"))
    course = trial_of(pipeline).course
    assert course.steady is not None
    assert course.steady.utilisation.value < 1
    assert course.overloaded


class HiddenPipeline(PlantedPipeline):
    def run(self, number: int, request: Run, *, warmup: int = 0) -> Trial:
        self.service_s = 1.4 * SERVICE_S
        trial = super().run(number, request, warmup=warmup)
        hops = trial.hop_rows[0].copy()
        hops["compute_s"] /= 1.4
        # Each seems to come when its stage is free.
        hops["received_at_s"] = hops["compute_at_s"]
        return replace(trial, hop_rows=(hops,))
