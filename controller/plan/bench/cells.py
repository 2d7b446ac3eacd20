"""Every clean split of two devices, measured under several networks, to hold predictions against."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.errors import TrialVoid
from controller.network_profiles import NetworkProfile
from controller.pipeline import PipelinePlan, plan_pipeline
from controller.plan.prediction import Prediction, Predictor
from controller.plan.visits import Ground, in_random_order, requests_in
from controller.store import Cell, Trial
from worker.wire.messages import Run

__all__ = ["DEPTHS", "MeasuredCell", "NETWORKS", "measure_cells"]

NETWORKS: Final = {
    "1 Gbit/s, 0.2 ms": NetworkProfile(delay_ms=0.2, rate_mbit=1000),
    "100 Mbit/s, 2 ms": NetworkProfile(delay_ms=2, rate_mbit=100),
    "20 Mbit/s, 5 ms": NetworkProfile(delay_ms=5, rate_mbit=20),
}
DEPTHS: Final = (1, 4)
_TRIALS: Final = 3
_WARMUP_S: Final = 0.1
_MOST_WARMUP: Final = 80
_FEWEST, _MOST = {1: 3, 4: 6}, {1: 36, 4: 96}
_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True)
class MeasuredCell:
    """A cell as predicted and as measured.

    Attributes:
        predicted: Median latency at depth 1, above it the time between two results of such a run; seconds.
        measured: The same, the median of three trials.
        repeated: The same again, one trial at another time.
    """

    model: str
    network: str
    cut: int
    depth: int
    predicted: float
    measured: float
    repeated: float

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured - 1)

    @property
    def noise(self) -> float:
        return abs(self.repeated / self.measured - 1)


@dataclass(frozen=True, eq=False)
class _Wanted:
    network: str
    cut: int
    depth: int
    requests: int
    warmup: int
    prediction: Prediction


def measure_cells(
    ground: Ground,
    predictors: dict[str, Predictor],
    step: Callable[[int, int], None],
    *,
    trial_s: float,
    every: int = 1,
) -> list[MeasuredCell]:
    """Measure every profiled split of the lab's first two devices.

    Splits in random order, and the cells of each: three trials a cell, and when all are through once more,
    one trial each. Cells in which a trial is void are left out, and what is left of a split that cannot be
    built.

    Args:
        predictors: By network.
        step: Told how many of how many cells are done.
        trial_s: Seconds that a trial may take, about; a slow cell gets fewer requests.
        every: Measure every n-th split only; for a quick look.
    """
    wanted = list(_wanted(ground, predictors, trial_s, every))
    found: dict[_Wanted, list[float]] = {each: [] for each in wanted}
    done = 0
    for turn, trials in enumerate((_TRIALS, 1)):
        for split in in_random_order(wanted, lambda each: each.cut, turn):
            for each, value in _values(ground, split, trials):
                found[each].append(value)
            done += len(split)
            step(done, 2 * len(wanted))
    return [
        MeasuredCell(
            model=ground.bundle.manifest.model,
            network=each.network,
            cut=each.cut,
            depth=each.depth,
            predicted=_predicted(each),
            measured=values[0],
            repeated=values[1],
        )
        for each, values in found.items()
        if len(values) == 2
    ]


def _wanted(
    ground: Ground, predictors: dict[str, Predictor], trial_s: float, every: int
) -> Iterator[_Wanted]:
    devices = [device.name for device in ground.lab.devices][:2]
    for network, predictor in predictors.items():
        for cut in predictor.profile.cuts[::every]:
            for depth in DEPTHS:
                prediction = predictor.predict(devices, (cut,), depth=depth)
                each_s = prediction.interval_s
                requests = requests_in(trial_s, each_s, fewest=_FEWEST[depth], most=_MOST[depth])
                warmup = requests_in(_WARMUP_S, each_s, fewest=1, most=_MOST_WARMUP)
                yield _Wanted(network, cut, depth, requests, warmup, prediction)


def _values(ground: Ground, split: Sequence[_Wanted], trials: int) -> Iterator[tuple[_Wanted, float]]:
    """The median over so many trials of each cell of a split."""
    with suppress(TrialVoid), closing(ground.pipelines(_planned(ground, each) for each in split)) as rigs:
        for each, rig in zip(split, rigs, strict=True):
            request = Run(requests=each.requests, timeout_s=_TIMEOUT_S)
            try:
                ran = [rig.run(i, request, warmup=0 if i else each.warmup) for i in range(trials)]
            except TrialVoid:
                continue
            yield each, statistics.median(_value(trial, each) for trial in ran)


def _planned(ground: Ground, wanted: _Wanted) -> tuple[Cell, PipelinePlan]:
    devices = tuple(device.name for device in ground.lab.devices[:2])
    cell = Cell(
        model=ground.bundle.manifest.model,
        bundle=ground.bundle.digest,
        cuts=(wanted.cut,),
        label="",
        devices=devices,
        depth=wanted.depth,
        batch=ground.batch,
        profile=wanted.network,
        link=ground.lab.links(devices),
    )
    name = f"bench-plan.{time.monotonic_ns()}"
    plan = plan_pipeline(
        name, cell, ground.bundle, ground.lab, NETWORKS[wanted.network], threads=ground.threads
    )
    return cell, plan


def _value(trial: Trial, wanted: _Wanted) -> float:
    if wanted.depth == 1:
        return float(np.median(trial.endpoint["latency_s"]))
    return trial.elapsed_s / wanted.requests


def _predicted(wanted: _Wanted) -> float:
    if wanted.depth == 1:
        return wanted.prediction.plan.latency_s
    return wanted.prediction.batch / wanted.prediction.throughput_per_s(wanted.requests)
