"""One trial of a cell after another."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from controller.errors import DeviceError, TrialUnsound, TrialVoid
from controller.experiment.load import parse_load, seed_of
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Block, Cell, FullSpeed, Saturation, Trial
from controller.results.laws import LAW_BROKEN, RETRIES, broken_law
from controller.results.provenance import now
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.context import SweepContext
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES
from controller.sweep.saturation import Probe, find_depth, predicted_depth, unloaded
from controller.sweep.stage_times import StageTimes
from controller.sweep.throttling import Throttling
from worker.wire.messages import Run

__all__ = ["CellRunner"]

_PROBE_ROUNDS: Final = 10
_PROBE_S: Final = 0.3
"""A run to find a depth is at least so long, and has at least so many requests for each in flight."""


@dataclass(frozen=True)
class CellRunner:
    """Runs cells on the workers of a pool, a trial at a time, each committed as it ends."""

    sweep: SweepContext
    accuracies: AccuracyPass
    throttling: Throttling
    estimate: TimeEstimate
    stage_times: StageTimes
    _pipelines: Iterator[int] = field(default_factory=itertools.count)
    _voids: Counter[str] = field(default_factory=Counter)
    _unsound: Counter[tuple[str, int]] = field(default_factory=Counter)
    _skipped: set[str] = field(default_factory=set)

    def is_given_up(self, cell: Cell) -> bool:
        """Whether it is left out of this call: a device is lost, or its trials were void too often."""
        return cell.id in self._skipped or self._voids[cell.id] >= TRIES

    def run(self, cell: Cell, block: Block) -> bool:
        """Run a cell's trial in a block, as often as the experiment lets a void trial be tried.

        Returns:
            Whether the trial was unsound, and is to be run again at the block's end.
        """
        if gone := self.sweep.failures.lost.intersection(cell.devices):
            self._skipped.add(cell.id)
            reason = f"{', '.join(sorted(gone))}: lost earlier in this sweep; cell skipped"
            self.sweep.recorder.add_void(cell, block.number, now(), TrialVoid(reason, min(gone)))
            return False
        for tried in range(1, TRIES + 1):
            try:
                untimed = self._run_trial(cell, block.number)
            except TrialUnsound as unsound:
                return self._runs_again(cell, block, unsound)
            except TrialVoid as void:
                self._voids[cell.id] += 1
                what = _what(cell, void)
                if self.throttling.tries_again(void) and tried < TRIES:
                    self.sweep.failures.retried(what)
                else:
                    self.sweep.failures.void(what)
                    if tried >= self.sweep.failures.tries:
                        return False
            else:
                if untimed:
                    self.sweep.failures.untimed(f"{_where(cell)}: time alone missing: {untimed}")
                return False
            if self.sweep.interruption.requested:
                return False
        return False

    def _runs_again(self, cell: Cell, block: Block, unsound: TrialUnsound) -> bool:
        """Whether an unsound trial may be run again in its block; else the cell is flagged there."""
        self._unsound[cell.id, block.number] += 1
        again = self._unsound[cell.id, block.number] <= RETRIES
        self.sweep.failures.unsound(_what(cell, unsound), again=again)
        if not again:
            self._voids[cell.id] += 1
        return again

    def _run_trial(self, cell: Cell, number: int) -> str | None:
        """Run trial `number` of a cell at its depth, which is found first where the sweep has yet to do so.

        Returns:
            What failed while its stages were timed alone, after the trial itself; None where nothing did.

        Raises:
            TrialVoid: And is recorded.
        """
        sweep, experiment = self.sweep, self.sweep.resolved.experiment
        started_at = now()
        try:
            is_known, cell, alone = self._begun(cell)
            began_s = time.monotonic()
            with self._pipeline(cell, number) as pipeline:
                sweep.recorder.add_full_speeds(pipeline.full_speeds)
                if not is_known:
                    looked_s = time.monotonic()
                    cell = self._at_its_depth(pipeline, alone, number)
                    # No later trial of the cell takes that long.
                    began_s += time.monotonic() - looked_s
                ran_before_s = pipeline.ran_s
                pipeline.rehearse()
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
                if law := broken_law(trial, None if parse_load(cell.load).is_open else cell.depth):
                    raise TrialUnsound(f"{LAW_BROKEN}{law}")
                trial, untimed = self.stage_times.complete(cell, trial, pipeline)
                sweep.recorder.add_trial(cell, trial)
        except TrialVoid as void:
            sweep.recorder.add_void(cell, number, started_at, void)
            raise
        took_s = time.monotonic() - began_s
        sweep.recorder.add_overhead(took_s - (pipeline.ran_s - ran_before_s))
        self.estimate.learn(cell, took_s)
        return untimed

    def _begun(self, cell: Cell) -> tuple[bool, Cell, Trial | None]:
        """Whether a cell's depth is known; the cell there, or where to look; its split's trial at depth 1.

        That trial is one with the devices as they are now. A depth stays through a change of a device: it is
        the cell's, and all of its trials have one.
        """
        if not cell.role or cell.depth:
            return True, cell, None
        store = self.sweep.recorder.store
        if saturation := next(iter(store.rows(Saturation, cell=cell.id)), None):
            return True, replace(cell, depth=saturation.depth), None
        now_alike = self.sweep.recorder.environments.alike(*cell.devices)
        trials = [trial for trial in store.trials(unloaded(cell).id) if trial.environment in now_alike]
        alone = max(trials, key=lambda trial: trial.number, default=None)
        return False, replace(cell, depth=1 if alone is None else predicted_depth(alone)), alone

    def _at_its_depth(self, pipeline: PipelineRunner, alone: Trial | None, number: int) -> Cell:
        """Find the depth of a pipeline's cell, and leave the pipeline at it.

        Args:
            alone: A trial of the same split at depth 1 saves a run.

        Raises:
            TrialVoid: See `PipelineRunner.run`.
        """
        experiment = self.sweep.resolved.experiment

        def set_depth(depth: int) -> None:
            if pipeline.cell.depth != depth:
                cell = replace(pipeline.cell, depth=depth)
                pipeline.resplit(cell, self._plan(cell, number, pipeline.controller_endpoint))

        def run(depth: int) -> Trial:
            set_depth(depth)
            requests, timeout_s = _PROBE_ROUNDS * depth, experiment.trial_timeout_s
            probe = Run(requests=requests, duration_s=_PROBE_S, timeout_s=timeout_s)
            return pipeline.run(number, probe, warmup=experiment.warmup)

        alone = alone or run(1)
        depth, is_flat, rates = find_depth(
            predicted_depth(alone), Probe.of(alone), lambda depth: Probe.of(run(depth))
        )
        set_depth(depth)
        tried = {str(tried): rate for tried, rate in sorted(rates.items())}
        self.sweep.recorder.add_saturation(Saturation(pipeline.cell.id, depth, is_flat, tried))
        return pipeline.cell

    def _pipeline(self, cell: Cell, number: int) -> PipelineRunner:
        """The pipeline of a cell's trial `number`."""
        try:
            controller_endpoint = ControllerEndpoint.of(cell, self.sweep.resolved.lab)
        except DeviceError as error:
            raise TrialVoid.because(error) from error
        plan = self._plan(cell, number, controller_endpoint)
        bundle = self.sweep.resolved.bundles[cell.bundle]
        return PipelineRunner(plan, cell, bundle, self.sweep.pool.workers, controller_endpoint)

    def _plan(self, cell: Cell, number: int, controller_endpoint: ControllerEndpoint | None) -> PipelinePlan:
        workers = self.sweep.pool.workers
        return plan_pipeline(
            f"{cell.id}.{next(self._pipelines)}",
            cell,
            self.sweep.resolved.bundles[cell.bundle],
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
            full_speeds=self.sweep.recorder.store.rows(FullSpeed),
        )


def _what(cell: Cell, void: TrialVoid) -> str:
    return f"{_where(cell)}: {void}"


def _where(cell: Cell) -> str:
    return f"{cell.network}, {cell.label}, depth {cell.depth_text}"
