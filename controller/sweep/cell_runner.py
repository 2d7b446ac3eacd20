"""One cell after another: the trials of each that are missing, and the repeats of the reference cell."""

import itertools
import time

from controller.console import Screen
from controller.errors import DeviceError, TrialVoid
from controller.experiment.resolve import ResolvedExperiment
from controller.lab.worker_pool import WorkerPool
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Cell
from controller.results.metrics import SAMPLES_NEEDED
from controller.results.provenance import now
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES, FailurePolicy
from controller.sweep.outcome import Interruption
from controller.sweep.recorder import Recorder
from controller.sweep.throttling import Throttling
from controller.sweep.todo import PendingWork
from worker.wire.messages import Run

__all__ = ["CellRunner"]


class CellRunner:
    """Runs cells on the workers of a pool, each trial committed as it ends."""

    def __init__(
        self,
        resolved: ResolvedExperiment,
        pool: WorkerPool,
        pending: PendingWork,
        recorder: Recorder,
        accuracies: AccuracyPass,
        failures: FailurePolicy,
        estimate: TimeEstimate,
        screen: Screen,
        interruption: Interruption,
    ) -> None:
        self._resolved = resolved
        self._experiment = resolved.experiment
        self._pool = pool
        self._pending = pending
        self._recorder = recorder
        self._accuracies = accuracies
        self._failures = failures
        self._throttling = Throttling(resolved.experiment, screen)
        self._estimate = estimate
        self._screen = screen
        self._interruption = interruption
        self._pipelines = itertools.count(1)

    def run(self, cell: Cell) -> None:
        """Run what is missing of a cell, as often as the experiment lets a void trial be tried."""
        for tried in range(1, TRIES + 1):
            try:
                self._run_missing(cell)
            except TrialVoid as void:
                what = f"{cell.network}, {cell.label}, depth {cell.depth}: {void}"
                if self._throttling.tries_again(void) and tried < TRIES:
                    self._failures.retried(what)
                else:
                    self._failures.void(what)
                    if tried >= self._failures.tries:
                        return
            else:
                return
            if self._interruption.asked:
                return

    def run_reference(self, cell: Cell) -> None:
        """Repeat a network's reference cell, to see drift."""
        if not self._failures.lost.isdisjoint(cell.devices):
            return
        run = Run(requests=SAMPLES_NEEDED["p50"], timeout_s=self._experiment.trial_timeout_s)
        try:
            with self._pipeline(cell) as pipeline:
                trial = pipeline.run(0, run, warmup=self._experiment.warmup)
        except TrialVoid as void:
            self._failures.void(f"{cell.network}, reference cell: {void}")
        else:
            self._recorder.add_reference(cell, trial)

    def _run_missing(self, cell: Cell) -> None:
        """Run the missing trials of a cell, until one is void or a stop is asked for.

        Raises:
            TrialVoid: And is recorded.
        """
        missing = self._pending.trials(cell)
        if gone := self._failures.lost.intersection(cell.devices):
            reason = f"{', '.join(sorted(gone))}: given up before; left out"
            self._recorder.add_void(cell, missing[0], now(), TrialVoid(reason, min(gone)))
            return
        began_s = time.monotonic()
        number, started_at = missing[0], now()
        try:
            with self._pipeline(cell) as pipeline:
                for number in missing:
                    self._throttling.cool_down(
                        [self._pool.workers[name] for name in dict.fromkeys(cell.devices)]
                    )
                    started_at = now()
                    self._run_trial(pipeline, cell, number, is_first=number == missing[0])
                    if self._interruption.asked:
                        return
        except TrialVoid as void:
            self._recorder.add_void(cell, number, started_at, void)
            raise
        took_s = time.monotonic() - began_s
        self._recorder.add_overhead(took_s - pipeline.ran_s)
        if len(missing) == self._experiment.trials:
            self._estimate.learn(cell, took_s)

    def _run_trial(self, pipeline: PipelineRunner, cell: Cell, number: int, *, is_first: bool) -> None:
        self._screen.running(cell, number)
        trial = run_trial(
            pipeline,
            cell,
            number,
            self._experiment.closed_run(cell.depth),
            seed=self._experiment.seed,
            warmup=self._experiment.warmup if is_first else 0,
        )
        self._throttling.judge(trial)
        self._recorder.add_trial(cell, trial)

    def _pipeline(self, cell: Cell) -> PipelineRunner:
        try:
            controller_endpoint = ControllerEndpoint.of(cell, self._resolved.lab)
        except DeviceError as error:
            raise TrialVoid(str(error), error.device) from error
        bundle = self._resolved.bundles[cell.bundle]
        workers = self._pool.workers
        plan = plan_pipeline(
            f"{cell.id}.{next(self._pipelines)}",
            cell,
            bundle,
            self._resolved.lab,
            self._resolved.networks[cell.network],
            threads={
                name: self._experiment.threads_on(name, workers[name].info.threads, cell.threads)
                for name in cell.devices
            },
            check_every=self._experiment.check_every,
            allowed_error=self._accuracies.allowed_error(cell),
            controller_addresses=controller_endpoint.addresses if controller_endpoint else None,
            rpc=self._experiment.rpc,
        )
        return PipelineRunner(plan, cell, bundle, workers, controller_endpoint)
