"""One cell after another: the trials of each that are missing, and the repeats of the reference cell."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.errors import DeviceError, TrialVoid
from controller.experiment.load import seed_of
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Cell, TimeAlone
from controller.results.metrics import SAMPLES_NEEDED
from controller.results.provenance import now
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.context import SweepContext
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES
from controller.sweep.throttling import Throttling
from worker.wire.messages import Run

__all__ = ["CellRunner"]


@dataclass(frozen=True)
class CellRunner:
    """Runs cells on the workers of a pool, each trial committed as it ends."""

    sweep: SweepContext
    accuracies: AccuracyPass
    throttling: Throttling
    estimate: TimeEstimate
    _pipelines: Iterator[int] = field(default_factory=itertools.count)

    def run(self, cell: Cell) -> None:
        """Run what is missing of a cell, as often as the experiment lets a void trial be tried."""
        for tried in range(1, TRIES + 1):
            try:
                self._run_missing(cell)
            except TrialVoid as void:
                what = f"{cell.network}, {cell.label}, depth {cell.depth}: {void}"
                if self.throttling.tries_again(void) and tried < TRIES:
                    self.sweep.failures.retried(what)
                else:
                    self.sweep.failures.void(what)
                    if tried >= self.sweep.failures.tries:
                        return
            else:
                return
            if self.sweep.interruption.requested:
                return

    def run_reference(self, cell: Cell) -> None:
        """Repeat a network's reference cell, to see drift."""
        if not self.sweep.failures.lost.isdisjoint(cell.devices):
            return
        run = Run(requests=SAMPLES_NEEDED["p50"], timeout_s=self.sweep.resolved.experiment.trial_timeout_s)
        # Below every trial's: each visit has a seed of its own.
        number = -1 - self.sweep.pending.finished_trials
        try:
            with self._pipeline(cell, number) as pipeline:
                self.sweep.recorder.add_times_alone(pipeline.times_alone)
                trial = pipeline.run(0, run, warmup=self.sweep.resolved.experiment.warmup)
        except TrialVoid as void:
            self.sweep.failures.void(f"{cell.network}, reference cell: {void}")
        else:
            self.sweep.recorder.add_reference(cell, trial)

    def _run_missing(self, cell: Cell) -> None:
        """Run the missing trials of a cell, until one is void or a stop is requested.

        Raises:
            TrialVoid: And is recorded.
        """
        missing = self.sweep.pending.trials(cell)
        if gone := self.sweep.failures.lost.intersection(cell.devices):
            reason = f"{', '.join(sorted(gone))}: lost earlier in this sweep; cell skipped"
            self.sweep.recorder.add_void(cell, missing[0], now(), TrialVoid(reason, min(gone)))
            return
        began_s = time.monotonic()
        number, started_at = missing[0], now()
        try:
            with self._pipeline(cell, number) as pipeline:
                self.sweep.recorder.add_times_alone(pipeline.times_alone)
                for number in missing:
                    self.throttling.cool_down(
                        [self.sweep.pool.workers[name] for name in dict.fromkeys(cell.devices)]
                    )
                    started_at = now()
                    self._run_trial(pipeline, cell, number, is_first=number == missing[0])
                    if self.sweep.interruption.requested:
                        return
        except TrialVoid as void:
            self.sweep.recorder.add_void(cell, number, started_at, void)
            raise
        took_s = time.monotonic() - began_s
        self.sweep.recorder.add_overhead(took_s - pipeline.ran_s)
        if len(missing) == self.sweep.resolved.experiment.trials:
            self.estimate.learn(cell, took_s)

    def _run_trial(self, pipeline: PipelineRunner, cell: Cell, number: int, *, is_first: bool) -> None:
        self.sweep.screen.running(cell, number)
        trial = run_trial(
            pipeline,
            cell,
            number,
            self.sweep.resolved.experiment.closed_run(cell),
            seed=self.sweep.resolved.experiment.seed,
            warmup=self.sweep.resolved.experiment.warmup if is_first else 0,
        )
        self.throttling.judge(trial)
        self.sweep.recorder.add_trial(cell, trial)

    def _pipeline(self, cell: Cell, number: int) -> PipelineRunner:
        """The pipeline of a cell whose first trial has this number."""
        try:
            controller_endpoint = ControllerEndpoint.of(cell, self.sweep.resolved.lab)
        except DeviceError as error:
            raise TrialVoid(str(error), error.device) from error
        bundle = self.sweep.resolved.bundles[cell.bundle]
        workers = self.sweep.pool.workers
        plan = plan_pipeline(
            f"{cell.id}.{next(self._pipelines)}",
            cell,
            bundle,
            self.sweep.resolved.lab,
            self.sweep.resolved.networks[cell.network],
            threads={
                name: self.sweep.resolved.experiment.threads_on(
                    name, workers[name].info.threads, cell.threads
                )
                for name in cell.devices
            },
            check_every=self.sweep.resolved.experiment.check_every,
            allowed_error=self.accuracies.allowed_error(cell),
            controller_addresses=controller_endpoint.addresses if controller_endpoint else None,
            rpc=self.sweep.resolved.experiment.rpc,
            seed=seed_of(self.sweep.resolved.experiment.seed, cell.id, number),
            times_alone=self.sweep.recorder.store.rows(TimeAlone),
        )
        return PipelineRunner(plan, cell, bundle, workers, controller_endpoint)
