"""Real cells, run briefly: what a profile is measured with.

A stage is timed where it will work: in a worker's pipeline, on the bundle's own samples. Cells are visited in
rounds, each in another random order, so that what changes in the meantime touches all of them alike.
"""

import random
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeVar

import msgspec

from controller.experiment.networks import Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.pipeline.runner import Rig
from controller.results import Cell, Trial
from exporter.bundle import Bundle
from worker.wire.messages import Run

__all__ = ["Ground", "Visit", "in_random_order", "requests_in", "rounds"]

T = TypeVar("T")

_TIMEOUT_S = 300.0

Threads = int | Mapping[str, int]
"""ONNX Runtime threads of a stage: one number, or by device."""


@dataclass(frozen=True)
class Visit:
    """A cell to run: `[0, cut)` on the first device of a pair and the rest on the second.

    Both may be the same device; then both stages are on it, and nothing crosses a link.
    """

    devices: tuple[str, str]
    cut: int
    depth: int
    requests: int
    warmup: int
    conditions: Network
    codec: str = "none"


@dataclass(frozen=True)
class Ground:
    """Where cells are run: claimed workers, a bundle, and how it is to be run there."""

    lab: Lab
    bundle: Bundle
    workers: Mapping[str, ClaimedWorker]
    batch: int
    threads: Threads
    _numbers: "count[int]"

    @classmethod
    def of(
        cls,
        lab: Lab,
        bundle: Bundle,
        workers: Mapping[str, ClaimedWorker],
        *,
        batch: int,
        threads: Threads,
    ) -> "Ground":
        return cls(lab, bundle, workers, batch, threads, count())

    def run(self, visit: Visit) -> Trial:
        """Run one trial of a cell. Raises TrialVoid: see `run_each`."""
        with closing(self.run_each([visit])) as trials:
            return next(trials)

    def run_each(self, visits: Iterable[Visit]) -> Generator[Trial]:
        """Run one trial of each cell; where a stage is the one before's as well, it is not loaded again.

        Raises:
            TrialVoid: A device was lost or a result was wrong.
        """
        wanted = list(visits)
        with closing(self.pipelines(map(self._planned, wanted))) as rigs:
            for visit, rig in zip(wanted, rigs, strict=True):
                request = Run(requests=visit.requests, timeout_s=_TIMEOUT_S)
                yield rig.run(0, request, warmup=visit.warmup)

    def pipelines(self, wanted: Iterable[tuple[Cell, PipelinePlan]]) -> Generator[Rig]:
        """Build each of these in turn, out of the one before.

        Raises:
            TrialVoid: A device was lost, or cannot load a stage.
        """
        with ExitStack() as standing:
            rig: Rig | None = None
            for cell, plan in wanted:
                if rig is None:
                    rig = standing.enter_context(Rig(_unrehearsed(plan), cell, self.bundle, self.workers))
                else:
                    rig.resplit(cell, _unrehearsed(plan))
                yield rig

    def _planned(self, visit: Visit) -> tuple[Cell, PipelinePlan]:
        cell = Cell(
            model=self.bundle.manifest.model,
            bundle=self.bundle.digest,
            cuts=(visit.cut,),
            label="",
            devices=visit.devices,
            depth=visit.depth,
            batch=self.batch,
            network="profiling",
            shaping=self.lab.shaping(visit.devices),
            precision=self.bundle.manifest.precision,
            codec=visit.codec,
        )
        plan = plan_pipeline(
            f"profile.{next(self._numbers)}",
            cell,
            self.bundle,
            self.lab,
            visit.conditions,
            threads=self.threads,
            # A codec may change results, by as much as a sweep would find out first.
            check_every=1 if visit.codec == "none" else 0,
        )
        return cell, plan


def requests_in(time_s: float, each_s: float, *, fewest: int, most: int) -> int:
    """How many requests of `each_s` there is time for, within these bounds."""
    return min(max(int(time_s / each_s), fewest), most)


def _unrehearsed(plan: PipelinePlan) -> PipelinePlan:
    """The pipeline without runs of each stage alone: that time is better spent on requests."""
    builds = {device: msgspec.structs.replace(build, solo_runs=0) for device, build in plan.builds.items()}
    return replace(plan, builds=builds)


def rounds(
    ground: Ground, visits: Sequence[Visit], number: int, seed: str, step: Callable[[int, int], None]
) -> dict[Visit, list[Trial]]:
    """Run every visit `number` times, round by round; `step` is told how many of how many are done.

    In random order, but visits with the same stages one after another: to load a stage may take longer than
    to time it.
    """
    found: dict[Visit, list[Trial]] = {visit: [] for visit in visits}
    done = 0
    for turn in range(number):
        for together in in_random_order(visits, lambda visit: (visit.devices, visit.cut), f"{seed}:{turn}"):
            with closing(ground.run_each(together)) as trials:
                for visit, trial in zip(together, trials, strict=True):
                    found[visit].append(trial)
                    done += 1
                    step(done, number * len(visits))
    return found


def in_random_order(members: Iterable[T], key: Callable[[T], Hashable], seed: object) -> list[list[T]]:
    """Those with the same key together, in random order, and the groups too."""
    chance = random.Random(str(seed))
    groups: dict[Hashable, list[T]] = {}
    for one in members:
        groups.setdefault(key(one), []).append(one)
    for group in groups.values():
        chance.shuffle(group)
    shuffled = list(groups.values())
    chance.shuffle(shuffled)
    return shuffled
