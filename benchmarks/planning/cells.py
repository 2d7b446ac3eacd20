"""Splits measured under several networks, for comparison with predictions."""

import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import product
from typing import Final

from controller.errors import TrialVoid
from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.planning.prediction import Prediction, Predictor
from controller.profiling.short_runs import ProfilingContext, in_random_order, requests_in
from controller.results import Cell, Settings, Trial
from controller.results.metrics import latency_s, period_s
from worker.wire.messages import Run

__all__ = ["DEPTHS", "MeasuredCell", "NETWORKS", "Split", "long_chains", "measure_cells", "two_way"]

NETWORKS: Final = {
    "1 Gbit/s, 0.2 ms": Network(delay_ms=0.2, rate_mbit=1000),
    "100 Mbit/s, 2 ms": Network(delay_ms=2, rate_mbit=100),
    "20 Mbit/s, 5 ms": Network(delay_ms=5, rate_mbit=20),
}
DEPTHS: Final = (1, 4)
_TRIALS: Final = 3
_REPEATED_EVERY: Final = 3
_WARMUP_S: Final = 0.1
_MOST_WARMUP: Final = 80
_FEWEST, _MOST = {1: 2, 4: 4}, {1: 36, 4: 96}
_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True)
class Split:
    """The cuts of the graph, for a chain of devices."""

    devices: tuple[str, ...]
    cuts: tuple[int, ...]


def two_way(devices: Sequence[str], cuts: Sequence[int]) -> list[Split]:
    """Every split of the first two devices, including each device alone."""
    return [Split((devices[0], devices[1]), (cut,)) for cut in cuts]


def long_chains(devices: Sequence[str], cuts: Sequence[int], number: int, seed: int = 0) -> list[Split]:
    """Draw `number` random splits for each length of chain from three up; only the first device is fixed.

    Args:
        devices: The lab's; requests begin on the first.
        cuts: Including both ends of the graph.
    """
    chance = random.Random(seed)
    inner = sorted(cuts)[1:-1]
    return [
        Split(
            (devices[0], *chance.sample(devices[1:], stages - 1)),
            tuple(sorted(chance.sample(inner, stages - 1))),
        )
        for stages in range(3, min(len(devices), len(inner) + 1) + 1)
        for _ in range(number)
    ]


@dataclass(frozen=True)
class MeasuredCell:
    """A cell's prediction and measurement.

    Attributes:
        predicted: Median latency at depth 1, else the time between two results; seconds.
        measured: The same, median of three trials.
        repeated: The same, one later trial; for some cells.
    """

    model: str
    network: str
    devices: tuple[str, ...]
    cuts: tuple[int, ...]
    depth: int
    predicted: float
    measured: float
    repeated: float | None

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured - 1)

    @property
    def noise(self) -> float | None:
        return None if self.repeated is None else abs(self.repeated / self.measured - 1)


@dataclass(frozen=True, eq=False)
class _PlannedCell:
    network: str
    split: Split
    depth: int
    requests: int
    warmup: int
    prediction: Prediction


def measure_cells(
    context: ProfilingContext,
    predictors: Mapping[str, Predictor],
    splits: Iterable[Split],
    step: Callable[[int, int], None],
    *,
    trial_s: float,
) -> list[MeasuredCell]:
    """Measure splits under each network, at each depth.

    The splits and their cells run in random order, three trials a cell; then those of every third split run
    once more. Cells with a void trial are left out, as are the other cells of a split that cannot be built.

    Args:
        predictors: By network.
        step: Reports finished and total cells.
        trial_s: Approximate seconds of a trial; a slow cell gets fewer requests.
    """
    planned = list(_plan_cells(predictors, splits, trial_s))
    repeats = set(list(dict.fromkeys(each.split for each in planned))[::_REPEATED_EVERY])
    again = [each for each in planned if each.split in repeats]
    total = len(planned) + len(again)
    measured = _medians(context, planned, _TRIALS, lambda done: step(done, total))
    repeated = _medians(context, again, 1, lambda done: step(len(planned) + done, total))
    return [
        MeasuredCell(
            model=context.bundle.manifest.model,
            network=each.network,
            devices=each.split.devices,
            cuts=each.split.cuts,
            depth=each.depth,
            predicted=_predicted(each),
            measured=measured[each],
            repeated=repeated.get(each),
        )
        for each in planned
        if each in measured
    ]


def _plan_cells(
    predictors: Mapping[str, Predictor], splits: Iterable[Split], trial_s: float
) -> Iterator[_PlannedCell]:
    for split, (network, predictor), depth in product(splits, predictors.items(), DEPTHS):
        prediction = predictor.predict(split.devices, split.cuts, depth=depth)
        each_s = prediction.period_s
        requests = requests_in(trial_s, each_s, fewest=_FEWEST[depth], most=_MOST[depth])
        warmup = requests_in(_WARMUP_S, each_s, fewest=1, most=_MOST_WARMUP)
        yield _PlannedCell(network, split, depth, requests, warmup, prediction)


def _medians(
    context: ProfilingContext, planned: Sequence[_PlannedCell], trials: int, step: Callable[[int], None]
) -> dict[_PlannedCell, float]:
    """Median over the trials of each cell; cells with a void trial are left out."""
    medians: dict[_PlannedCell, float] = {}
    done = 0
    for of_split in in_random_order(planned, lambda each: each.split, trials):
        pipelines = context.pipelines(_cell_and_plan(context, each) for each in of_split)
        with suppress(TrialVoid), closing(pipelines):
            for each, runner in zip(of_split, pipelines, strict=True):
                request = Run(requests=each.requests, timeout_s=_TIMEOUT_S)
                with suppress(TrialVoid):
                    ran = [runner.run(i, request, warmup=0 if i else each.warmup) for i in range(trials)]
                    medians[each] = statistics.median(_value(trial, each) for trial in ran)
        done += len(of_split)
        step(done)
    return medians


def _cell_and_plan(context: ProfilingContext, planned: _PlannedCell) -> tuple[Cell, PipelinePlan]:
    devices = planned.split.devices
    settings = Settings(depth=planned.depth, batch=context.batch)
    shaping = context.lab.shaping(devices)
    cell = cell_of(
        context.bundle, devices, planned.split.cuts, settings, network=planned.network, shaping=shaping
    )
    name = f"bench-plan.{time.monotonic_ns()}"
    plan = plan_pipeline(
        name, cell, context.bundle, context.lab, NETWORKS[planned.network], threads=context.threads
    )
    return cell, plan


def _value(trial: Trial, planned: _PlannedCell) -> float:
    if planned.depth == 1:
        return latency_s(trial)
    return period_s(trial)


def _predicted(planned: _PlannedCell) -> float:
    if planned.depth == 1:
        return planned.prediction.plan.latency_s
    return planned.prediction.batch / planned.prediction.throughput_per_s
