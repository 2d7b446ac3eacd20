"""One trial of a cell after another."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from controller.errors import DeviceError, TrialVoid
from controller.experiment.load import seed_of
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Block, Cell, Saturation, TimeAlone, Trial
from controller.results.metrics import latency_s, throughput_per_s
from controller.results.provenance import now
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.context import SweepContext
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES
from controller.sweep.saturation import find_depth, saturating_depth
from controller.sweep.throttling import Throttling
from worker.wire.messages import Run

__all__ = ["CellRunner"]


@dataclass(frozen=True)
class CellRunner:
    """Runs cells on the workers of a pool, a trial at a time, each committed as it ends."""

    sweep: SweepContext
    accuracies: AccuracyPass
    throttling: Throttling
    estimate: TimeEstimate
    _pipelines: Iterator[int] = field(default_factory=itertools.count)
    _voids: Counter[str] = field(default_factory=Counter)
    _skipped: set[str] = field(default_factory=set)

    def is_given_up(self, cell: Cell) -> bool:
        """Whether it is left out of this call: a device is lost, or its trials were void too often."""
        return cell.id in self._skipped or self._voids[cell.id] >= TRIES

    def run(self, cell: Cell, block: Block) -> None:
        """Run a cell's trial in a block, as often as the experiment lets a void trial be tried."""
        if gone := self.sweep.failures.lost.intersection(cell.devices):
            self._skipped.add(cell.id)
            reason = f"{', '.join(sorted(gone))}: lost earlier in this sweep; cell skipped"
            self.sweep.recorder.add_void(cell, block.number, now(), TrialVoid(reason, min(gone)))
            return
        for tried in range(1, TRIES + 1):
            try:
                self._run_trial(cell, block.number)
            except TrialVoid as void:
                self._voids[cell.id] += 1
                what = f"{cell.network}, {cell.label}, depth {cell.depth_text}: {void}"
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

    def _run_trial(self, cell: Cell, number: int) -> None:
        """Run trial `number` of a cell.

        Raises:
            TrialVoid: And is recorded.
        """
        sweep, experiment = self.sweep, self.sweep.resolved.experiment
        started_at = now()
        try:
            cell = self._at_its_depth(cell, number)
            began_s = time.monotonic()
            with self._pipeline(cell, number) as pipeline:
                sweep.recorder.add_times_alone(pipeline.times_alone)
                self.throttling.cool_down([sweep.pool.workers[name] for name in dict.fromkeys(cell.devices)])
                started_at = now()
                sweep.screen.running(cell, number)
                closed = experiment.closed_run(cell)
                trial = run_trial(
                    pipeline,
                    cell,
                    number,
                    closed,
                    seed=experiment.seed,
                    warmup=experiment.warmup,
                    lengthen=experiment.may_lengthen,
                )
                self.throttling.judge(trial)
                sweep.recorder.add_trial(cell, trial)
        except TrialVoid as void:
            sweep.recorder.add_void(cell, number, started_at, void)
            raise
        took_s = time.monotonic() - began_s
        sweep.recorder.add_overhead(took_s - pipeline.ran_s)
        self.estimate.learn(cell, took_s)

    def _at_its_depth(self, cell: Cell, number: int) -> Cell:
        """The cell with its depth; where the sweep finds it, and has not yet, it is found now.

        Raises:
            TrialVoid: See `PipelineRunner.run`.
        """
        if not cell.role or cell.depth:
            return cell
        store = self.sweep.recorder.store
        found = next(iter(store.rows(Saturation, cell=cell.id)), None)
        if found is None:
            alone = self._probed(replace(cell, depth=1), number)
            period_s = max(_part_s(alone, position) for position in range(len(alone.hops)))

            def rate_at(depth: int) -> float:
                return throughput_per_s(self._probed(replace(cell, depth=depth), number), 1)

            depth, is_flat, rates = find_depth(saturating_depth(latency_s(alone), period_s), rate_at)
            tried = {str(tried): rate for tried, rate in sorted(rates.items())}
            found = Saturation(cell.id, depth, is_flat, tried)
            self.sweep.recorder.add_saturation(found)
        return replace(cell, depth=found.depth)

    def _probed(self, cell: Cell, number: int) -> Trial:
        """A run in a closed loop, which counts for nothing but the depth."""
        experiment = self.sweep.resolved.experiment
        run = Run(requests=experiment.requests_of(cell), timeout_s=experiment.trial_timeout_s)
        with self._pipeline(cell, number) as pipeline:
            self.sweep.recorder.add_times_alone(pipeline.times_alone)
            return pipeline.run(number, run, warmup=experiment.warmup)

    def _pipeline(self, cell: Cell, number: int) -> PipelineRunner:
        """The pipeline of a cell's trial `number`."""
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


def _part_s(trial: Trial, position: int) -> float:
    """What a request takes of a stage, or of the link that leaves it, whichever is more."""
    rows = trial.records[position]
    return float(max(rows["compute_s"].mean(), rows["send_s"].mean()))
