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
from controller.pipeline.runner import PipelineRunner
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
_TRIALS: Final = 2
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
        measured: The same, mean of two trials.
        repeated: The same of the second sweep, after all cells of the first.
        visit_s: Seconds to build the pipeline and run one trial: a cell's visit in a block of a sweep.
    """

    model: str
    network: str
    devices: tuple[str, ...]
    cuts: tuple[int, ...]
    depth: int
    predicted: float
    measured: float
    repeated: float
    visit_s: float

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured - 1)

    @property
    def noise(self) -> float:
        return abs(self.repeated / self.measured - 1)


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
    """Measure splits under each network, at each depth, in two sweeps one after the other.

    Both run all cells, in random orders of their own, two trials a cell: the second says what repeating an
    exhaustive sweep gives. Cells with a void trial are left out, as are the other cells of a split that
    cannot be built.

    Args:
        predictors: By network.
        step: Reports finished and total cells.
        trial_s: Approximate seconds of a trial; a slow cell gets fewer requests.
    """
    planned = list(_plan_cells(predictors, splits, trial_s))
    total = 2 * len(planned)
    first = _sweep(context, planned, "first", lambda done: step(done, total))
    second = _sweep(context, planned, "second", lambda done: step(len(planned) + done, total))
    return [
        MeasuredCell(
            model=context.bundle.manifest.model,
            network=each.network,
            devices=each.split.devices,
            cuts=each.split.cuts,
            depth=each.depth,
            predicted=_predicted(each),
            measured=first[each].value,
            repeated=second[each].value,
            visit_s=first[each].once_s,
        )
        for each in planned
        if each in first and each in second
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


@dataclass(frozen=True)
class _Visit:
    """A cell's mean over its trials, and the seconds until the first of them had ended."""

    value: float
    once_s: float


def _sweep(
    context: ProfilingContext, planned: Sequence[_PlannedCell], seed: str, step: Callable[[int], None]
) -> dict[_PlannedCell, _Visit]:
    """Visit every cell once; those with a void trial are left out."""
    visits: dict[_PlannedCell, _Visit] = {}
    done = 0
    for of_split in in_random_order(planned, lambda each: each.split, seed):
        began_s = time.monotonic()
        pipelines = context.pipelines(_cell_and_plan(context, each) for each in of_split)
        with suppress(TrialVoid), closing(pipelines):
            for each, runner in zip(of_split, pipelines, strict=True):
                with suppress(TrialVoid):
                    visits[each] = _visit(runner, each, began_s)
                began_s = time.monotonic()
        done += len(of_split)
        step(done)
    return visits


def _visit(runner: PipelineRunner, planned: _PlannedCell, began_s: float) -> _Visit:
    request = Run(requests=planned.requests, timeout_s=_TIMEOUT_S)
    values = [_value(runner.run(0, request, warmup=planned.warmup), planned)]
    once_s = time.monotonic() - began_s
    values += [_value(runner.run(number, request, warmup=0), planned) for number in range(1, _TRIALS)]
    return _Visit(statistics.mean(values), once_s)


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
