"""One trial of a cell after another."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from controller.errors import DeviceError, LawBroken, TrialVoid
from controller.experiment.load import parse_load, seed_of
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Block, Cell, FullSpeed, Saturation, Trial
from controller.results.laws import LAW_BROKEN, RETRIES, broken_law
from controller.results.metrics import latency_s, throughput_per_s
from controller.results.provenance import now
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.context import SweepContext
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES
from controller.sweep.saturation import find_depth, saturating_depth
from controller.sweep.stage_times import StageTimes
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
    stage_times: StageTimes
    _pipelines: Iterator[int] = field(default_factory=itertools.count)
    _voids: Counter[str] = field(default_factory=Counter)
    _unlawful: Counter[tuple[str, int]] = field(default_factory=Counter)
    _skipped: set[str] = field(default_factory=set)

    def is_given_up(self, cell: Cell) -> bool:
        """Whether it is left out of this call: a device is lost, or its trials were void too often."""
        return cell.id in self._skipped or self._voids[cell.id] >= TRIES

    def run(self, cell: Cell, block: Block) -> bool:
        """Run a cell's trial in a block, as often as the experiment lets a void trial be tried.

        Returns:
            Whether the trial broke a law, and is to be run again at the block's end.
        """
        if gone := self.sweep.failures.lost.intersection(cell.devices):
            self._skipped.add(cell.id)
            reason = f"{', '.join(sorted(gone))}: lost earlier in this sweep; cell skipped"
            self.sweep.recorder.add_void(cell, block.number, now(), TrialVoid(reason, min(gone)))
            return False
        for tried in range(1, TRIES + 1):
            try:
                untimed = self._run_trial(cell, block.number)
            except LawBroken as broken:
                return self._runs_again(cell, block, broken)
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

    def _runs_again(self, cell: Cell, block: Block, broken: LawBroken) -> bool:
        """Whether a trial that broke a law may be run again in its block; else the cell is flagged there."""
        self._unlawful[cell.id, block.number] += 1
        again = self._unlawful[cell.id, block.number] <= RETRIES
        self.sweep.failures.unlawful(_what(cell, broken), again=again)
        if not again:
            self._voids[cell.id] += 1
        return again

    def _run_trial(self, cell: Cell, number: int) -> str | None:
        """Run trial `number` of a cell.

        Returns:
            What failed while its stages were timed alone, after the trial itself; None where nothing did.

        Raises:
            TrialVoid: And is recorded.
        """
        sweep, experiment = self.sweep, self.sweep.resolved.experiment
        started_at = now()
        try:
            cell = self._at_its_depth(cell, number)
            began_s = time.monotonic()
            with self._pipeline(cell, number) as pipeline:
                sweep.recorder.add_full_speeds(pipeline.full_speeds)
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
                    raise LawBroken(f"{LAW_BROKEN}{law}")
                trial, untimed = self.stage_times.complete(cell, trial, pipeline)
                sweep.recorder.add_trial(cell, trial)
        except TrialVoid as void:
            sweep.recorder.add_void(cell, number, started_at, void)
            raise
        took_s = time.monotonic() - began_s
        sweep.recorder.add_overhead(took_s - pipeline.ran_s)
        self.estimate.learn(cell, took_s)
        return untimed

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
            found = self._found(cell, number)
            self.sweep.recorder.add_saturation(found)
        return replace(cell, depth=found.depth)

    def _found(self, cell: Cell, number: int) -> Saturation:
        """Find a cell's depth, in one pipeline; a trial of the same split at depth 1 saves a run."""
        unloaded = next(self.sweep.recorder.store.trials(replace(cell, depth=1, role="").id), None)
        first = 1 if unloaded is None else _predicted(unloaded)
        with self._pipeline(replace(cell, depth=first), number) as pipeline:
            self.sweep.recorder.add_full_speeds(pipeline.full_speeds)

            def probe(depth: int) -> Trial:
                at_depth = replace(cell, depth=depth)
                if pipeline.cell.depth != depth:
                    pipeline.resplit(at_depth, self._plan(at_depth, number, pipeline.controller_endpoint))
                experiment = self.sweep.resolved.experiment
                run = Run(requests=experiment.requests_of(at_depth), timeout_s=experiment.trial_timeout_s)
                return pipeline.run(number, run, warmup=experiment.warmup)

            depth, is_flat, rates = find_depth(
                first if unloaded is not None else _predicted(probe(1)),
                lambda depth: throughput_per_s(probe(depth), 1),
            )
        tried = {str(tried): rate for tried, rate in sorted(rates.items())}
        return Saturation(cell.id, depth, is_flat, tried)

    def _pipeline(self, cell: Cell, number: int) -> PipelineRunner:
        """The pipeline of a cell's trial `number`."""
        try:
            controller_endpoint = ControllerEndpoint.of(cell, self.sweep.resolved.lab)
        except DeviceError as error:
            raise TrialVoid(str(error), error.device) from error
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


def _predicted(alone: Trial) -> int:
    """The smallest depth that keeps the slowest part busy, from a trial at depth 1."""
    return saturating_depth(latency_s(alone), _slowest_part_s(alone))


def _slowest_part_s(alone: Trial) -> float:
    """What a lone request takes of the slowest stage or link, of links as far as they account for it."""
    uses = [link.use for link in alone.links if link.use is not None]
    sending_s = [(use.busy_s - use.rwnd_limited_s) / use.frames - use.round_trip_s for use in uses]
    return max(*(float(rows["compute_s"].mean()) for rows in alone.records), *sending_s, 0.0)
