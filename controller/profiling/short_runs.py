"""Run real cells briefly, to measure device profiles.

A stage is timed where it will work: in a worker's pipeline, on the bundle's own samples. The profiler visits
cells in rounds, each in another random order, so that changes over time affect all of them alike.
"""

import random
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.results import Cell, FullSpeed, Settings, Trial
from exporter.bundle import Bundle
from worker.wire.messages import Run

__all__ = ["ProfilingContext", "ShortRun", "in_random_order", "requests_in", "rounds"]

T = TypeVar("T")

_TIMEOUT_S = 300.0

Threads = int | Mapping[str, int]
"""ONNX Runtime threads of a stage: one number, or by device."""


@dataclass(frozen=True)
class ShortRun:
    """A cell to run: `[0, cut)` on the first device of a pair and the rest on the second.

    Both may be the same device; then it has both stages, and nothing crosses a link.
    """

    devices: tuple[str, str]
    cut: int
    depth: int
    requests: int
    warmup: int
    conditions: Network
    codec: str = "none"


@dataclass(frozen=True)
class ProfilingContext:
    """The claimed workers, the bundle and the settings to run cells with."""

    lab: Lab
    bundle: Bundle
    workers: Mapping[str, ClaimedWorker]
    batch: int
    threads: Threads
    _numbers: Iterator[int] = field(default_factory=count, init=False)
    _full_speeds: list[FullSpeed] = field(default_factory=list, init=False)

    def run(self, short_run: ShortRun) -> Trial:
        """Run one trial of a cell; raises TrialVoid like `run_each`."""
        with closing(self.run_each([short_run])) as trials:
            return next(trials)

    def run_each(self, short_runs: Iterable[ShortRun]) -> Generator[Trial]:
        """Run one trial of each cell, without loading again a stage that the cell before had too.

        Raises:
            TrialVoid: A device was lost or a result was wrong.
        """
        pending = list(short_runs)
        with closing(self.pipelines(map(self._planned, pending))) as runners:
            for short_run, runner in zip(pending, runners, strict=True):
                request = Run(requests=short_run.requests, timeout_s=_TIMEOUT_S)
                yield runner.run(0, request, warmup=short_run.warmup)

    def pipelines(self, planned: Iterable[tuple[Cell, PipelinePlan]]) -> Generator[PipelineRunner]:
        """Build each pipeline in turn, from the one before.

        Raises:
            TrialVoid: A device was lost, or cannot load a stage.
        """
        with ExitStack() as standing:
            runner: PipelineRunner | None = None
            for cell, plan in planned:
                if runner is None:
                    runner = standing.enter_context(PipelineRunner(plan, cell, self.bundle, self.workers))
                else:
                    runner.resplit(cell, plan)
                self._full_speeds.extend(runner.full_speeds)
                yield runner

    def _planned(self, short_run: ShortRun) -> tuple[Cell, PipelinePlan]:
        cell = cell_of(
            self.bundle,
            short_run.devices,
            (short_run.cut,),
            Settings(depth=short_run.depth, batch=self.batch, codec=short_run.codec),
            network="profiling",
            shaping=self.lab.shaping(short_run.devices),
        )
        plan = plan_pipeline(
            f"profile.{next(self._numbers)}",
            cell,
            self.bundle,
            self.lab,
            short_run.conditions,
            threads=self.threads,
            # A codec may change results, by an error that only a sweep measures.
            check_every=1 if short_run.codec == "none" else 0,
            full_speeds=self._full_speeds,
        )
        return cell, plan


def requests_in(time_s: float, each_s: float, *, fewest: int, most: int) -> int:
    """The number of requests of `each_s` that fit into `time_s`, within these bounds."""
    return min(max(int(time_s / each_s), fewest), most)


def rounds(
    context: ProfilingContext,
    short_runs: Sequence[ShortRun],
    number: int,
    seed: str,
    step: Callable[[int, int], None],
) -> dict[ShortRun, list[Trial]]:
    """Run every cell `number` times, round by round; `step` gets the number of finished and of all runs.

    The order is random, but cells with the same stages follow each other: loading a stage may take longer
    than timing it.
    """
    results: dict[ShortRun, list[Trial]] = {short_run: [] for short_run in short_runs}
    done = 0
    for turn in range(number):
        for together in in_random_order(
            short_runs, lambda short_run: (short_run.devices, short_run.cut), f"{seed}:{turn}"
        ):
            with closing(context.run_each(together)) as trials:
                for short_run, trial in zip(together, trials, strict=True):
                    results[short_run].append(trial)
                    done += 1
                    step(done, number * len(short_runs))
    return results


def in_random_order(members: Iterable[T], key: Callable[[T], Hashable], seed: object) -> list[list[T]]:
    """Group members by key, and shuffle the groups and each group's members."""
    chance = random.Random(str(seed))
    groups: dict[Hashable, list[T]] = {}
    for one in members:
        groups.setdefault(key(one), []).append(one)
    for group in groups.values():
        chance.shuffle(group)
    shuffled = list(groups.values())
    chance.shuffle(shuffled)
    return shuffled
