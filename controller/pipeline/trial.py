"""One trial of a cell under the load that the cell asks for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

import msgspec
import numpy as np

from controller.experiment.load import Load, parse_load, seed_of
from controller.pipeline.runner import PipelineRunner
from controller.results import Attempt, Cell, Trial
from controller.results.metrics import QUANTILES, throughput_per_s
from worker.wire.messages import Run

__all__ = ["RESOLUTION", "highest_rate", "run_trial"]


def run_trial(
    runner: PipelineRunner, cell: Cell, number: int, closed: Run, *, seed: int, warmup: int
) -> Trial:
    """Run trial `number` of `cell`, after `warmup` requests.

    Args:
        closed: The trial as it is in a closed loop: requests, time, when it ends.
        seed: Of the experiment; each trial has one of its own from it.

    Raises:
        TrialVoid: See `PipelineRunner.run`.
    """
    load = parse_load(cell.load)
    if not load.is_open:
        return runner.run(number, closed, warmup=warmup)
    own_seed = seed_of(seed, cell.id, number)
    if load.rate_per_s is not None:
        spec = load.spec(load.rate_per_s, own_seed)
        return runner.run(number, msgspec.structs.replace(closed, load=spec), warmup=warmup)
    return _search(runner, number, closed, load, own_seed, warmup)


def _search(runner: PipelineRunner, number: int, closed: Run, load: Load, seed: int, warmup: int) -> Trial:
    """All rates are offered with the same seed, so that they differ in nothing but the rate."""
    full = runner.run(number, closed, warmup=warmup)
    attempts: list[Attempt] = []

    def offer(rate_per_s: float) -> Trial:
        trial = runner.run(number, msgspec.structs.replace(closed, load=load.spec(rate_per_s, seed)))
        latency_s = _quantile_s(trial, load)
        holds = latency_s is not None and load.bound_s is not None and latency_s <= load.bound_s
        attempts.append(Attempt(rate_per_s, latency_s, holds))
        return trial

    trial, holds = highest_rate(offer, lambda _trial: attempts[-1].kept, throughput_per_s(full, 1))
    course = replace(trial.course, attempts=tuple(attempts), bound_kept=holds)
    return replace(trial, course=course)


def _quantile_s(trial: Trial, load: Load) -> float | None:
    if trial.course.overloaded or load.quantile is None:
        return None
    return float(np.quantile(trial.endpoint["latency_s"], QUANTILES[load.quantile]))


RESOLUTION: Final = 0.05
"""The result is this close to the highest, in parts of what the pipeline can do at all."""

_Tried = TypeVar("_Tried")


def highest_rate(
    offer: Callable[[float], _Tried], keeps: Callable[[_Tried], bool], capacity_per_s: float
) -> tuple[_Tried, bool]:
    """Bisect between nothing and `capacity_per_s`.

    Args:
        offer: Runs at a rate, in requests a second.
        keeps: Whether that run kept the bound.
        capacity_per_s: The throughput of a closed loop: no higher rate can be kept up.

    Returns:
        The run at the highest rate that kept the bound, and True; where none did, the one at the lowest rate
        tried, and False.
    """
    low, high = 0.0, capacity_per_s
    best: _Tried | None = None
    tried: _Tried | None = None
    while tried is None or high - low > RESOLUTION * capacity_per_s:
        rate = (low + high) / 2
        tried = offer(rate)
        if keeps(tried):
            best, low = tried, rate
        else:
            high = rate
    return (tried, False) if best is None else (best, True)
