"""One trial of a cell under the load that the cell asks for."""

from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from controller.experiment.load import Load, parse_load, seed_of
from controller.pipeline.runner import PipelineRunner
from controller.results import Attempt, Cell, Trial
from controller.results.metrics import QUANTILES, throughput_per_s
from controller.results.open_load import chain_of, open_run, steady_of
from controller.statistics.highest_rate import MOST_UTILISATION, RateModel
from controller.statistics.relaxation import requests_needed, warmup_needed
from controller.statistics.steady_state import Bounded, period_s
from worker.endpoint.run_length import is_stable
from worker.wire.messages import Run

__all__ = ["MOST_RUNS", "run_trial"]

MOST_RUNS: Final = 4
"""At a rate, in a search for the highest."""

_SETTLED: Final = 0.02
"""A search ends when a run gives its own rate as the highest, to within this share."""

_BACK_OFF: Final = 0.8
"""After an overload, no rate above this share of its rate is tried."""

_MOST_BEYOND: Final = 0.5
"""Where more of a latency than this is not in the recursion, something waits that the records do not show."""

_LOWEST: Final = 0.05
"""Tried where no rate should keep the bound: this share of the throughput in a closed loop."""

_FELL_BEHIND: Final = 0.05
_FEWEST_BEHIND: Final = 64


def run_trial(
    runner: PipelineRunner, cell: Cell, number: int, closed: Run, *, seed: int, warmup: int, lengthen: bool
) -> Trial:
    """Run trial `number` of `cell`, after `warmup` requests.

    Args:
        closed: The trial as it is in a closed loop: requests, time, when it ends.
        seed: Of the experiment; each trial has one of its own from it.
        lengthen: Whether a trial under an open load may have as many more requests as its mean latency needs.

    Raises:
        TrialVoid: See `PipelineRunner.run`.
    """
    load = parse_load(cell.load)
    if not load.is_open:
        return runner.run(number, closed, warmup=warmup)
    own_seed = seed_of(seed, cell.id, number)
    offered = _OpenLoad(runner, number, closed, load, own_seed, warmup, lengthen)
    if load.rate_per_s is not None:
        return offered.run(load.rate_per_s, offered.period_full_s())
    return offered.search()


_REQUESTS_FULL: Final = 24


class _OpenLoad:
    """Runs of one pipeline under one kind of load, with one seed: they differ in nothing but the rate."""

    def __init__(
        self,
        runner: PipelineRunner,
        number: int,
        closed: Run,
        load: Load,
        seed: int,
        warmup: int,
        lengthen: bool,
    ) -> None:
        self._runner, self._number, self._closed, self._load = runner, number, closed, load
        self._seed, self._warmup, self._lengthen = seed, warmup, lengthen
        self._random = np.random.default_rng(seed)
        assert load.kind != "closed"
        self._arrivals = load.kind

    def period_full_s(self) -> float:
        """The time between two results with a request always waiting, by a short closed loop."""
        short = msgspec.structs.replace(self._closed, requests=_REQUESTS_FULL, duration_s=None)
        full = self._runner.run(self._number, short, warmup=self._warmup)
        return period_s(chain_of(full, self._runner.cell.depth), self._random)

    def run(self, rate_per_s: float, period_full_s: float, *, needs_mean: bool = True) -> Trial:
        """Run at a rate, as long as a pipeline with that time between two results needs.

        A search needs no mean: the rate of a latency is not as sensitive as the latency of a rate.
        """
        utilisation = rate_per_s * period_full_s
        requests = self._closed.requests
        if self._lengthen:
            requests = max(requests, requests_needed(utilisation if needs_mean else 0.0, rate_per_s))
        request = msgspec.structs.replace(
            self._closed, load=self._load.spec(rate_per_s, self._seed), requests=requests
        )
        warmup = max(self._warmup, warmup_needed(utilisation, rate_per_s))
        trial = self._runner.run(self._number, request, warmup=warmup)
        run = open_run(trial, self._arrivals, rate_per_s, self._runner.cell.depth)
        steady = steady_of(run, self._seed)
        overloaded = (
            trial.course.overloaded or steady.utilisation.value >= 1 or _fell_behind(trial, rate_per_s)
        )
        if overloaded:
            steady = replace(steady, latency_mean_s=None, quantiles_s={})
        # Waits of one trial differ from third to third at any steady load.
        stable = is_stable(run.chain.part(run.counted).least_s)
        course = replace(trial.course, steady=steady, overloaded=overloaded, stable=stable)
        return replace(trial, course=course)

    def search(self) -> Trial:
        """Find the highest rate that keeps the bound: predict it, run at it, and correct by what ran."""
        full = self._runner.run(self._number, self._closed, warmup=self._warmup)
        depth = self._runner.cell.depth
        model = RateModel(self._arrivals, chain_of(full, depth), self._quantile, 0.0)
        highest = model.highest_rate(self._bound_s, self._random)
        attempts: list[Attempt] = []
        best: Trial | None = None
        any_fits = False
        # With a request always waiting no more came back, whatever the records leave out.
        ceiling_per_s = MOST_UTILISATION * throughput_per_s(full, 1)
        while True:
            between_s = period_s(model.chain, self._random)
            rate_per_s = min(highest.value if highest else _LOWEST / between_s, ceiling_per_s)
            trial = self.run(rate_per_s, between_s, needs_mean=False)
            run = open_run(trial, self._arrivals, rate_per_s, depth)
            model = RateModel.of(run, self._quantile)
            measured_s = float(np.quantile(run.latency_s[run.counted], self._quantile))
            fits = not trial.course.overloaded and model.beyond_s <= _MOST_BEYOND * measured_s
            latency_s = max(0.0, model.latency_s(rate_per_s, self._random)) if fits else None
            keeps = latency_s is not None and latency_s <= self._bound_s
            attempts.append(Attempt(rate_per_s, latency_s, keeps))
            if not fits:
                # Waits that the recursion does not have say nothing of a lower rate.
                model = replace(model, beyond_s=0.0)
                ceiling_per_s = _BACK_OFF * rate_per_s
            highest = model.highest_rate(self._bound_s, self._random)
            best = trial if best is None or fits else best
            any_fits = any_fits or fits
            next_per_s = min(highest.value, ceiling_per_s) if highest else rate_per_s
            settled = fits and abs(next_per_s / rate_per_s - 1) <= _SETTLED
            if settled or len(attempts) == MOST_RUNS:
                highest = _at_most(highest, ceiling_per_s) if any_fits else None
                course = replace(
                    best.course,
                    attempts=tuple(attempts),
                    highest=highest,
                    bound_kept=highest is not None,
                )
                return replace(best, course=course)

    @property
    def _quantile(self) -> float:
        assert self._load.quantile is not None
        return QUANTILES[self._load.quantile]

    @property
    def _bound_s(self) -> float:
        assert self._load.bound_s is not None
        return self._load.bound_s


def _at_most(rate: Bounded | None, ceiling_per_s: float) -> Bounded | None:
    """The rate, where a pipeline was overloaded at one that should have done."""
    if rate is None or rate.value <= ceiling_per_s:
        return rate
    return Bounded(ceiling_per_s, min(rate.low, ceiling_per_s), ceiling_per_s / _BACK_OFF)


def _fell_behind(trial: Trial, rate_per_s: float) -> bool:
    """Whether far more requests wait at the end than at the beginning: what limits is not in the records."""
    latency_s = trial.endpoint["latency_s"]
    more = rate_per_s * float(latency_s[-1] - latency_s[0])
    return more > max(_FEWEST_BEHIND, _FELL_BEHIND * len(latency_s))
