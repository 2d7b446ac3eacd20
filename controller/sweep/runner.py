"""A sweep: the cells of an experiment, all or the most promising, each trial committed as it ends.

What is already in the results file is not run again, so the same command takes up a sweep that
was interrupted.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from controller.console import Screen
from controller.errors import DeviceError, TrialVoid
from controller.experiment.resolve import ResolvedExperiment, is_chosen, reference_of
from controller.experiment.topology import route
from controller.lab.worker_pool import WorkerPool
from controller.links import link_check
from controller.pipeline.baseline import baseline_trial
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.rpc import require_rpc
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import Cell, DeviceRow, Drift, Store
from controller.results.provenance import now, stamp
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import TRIES, FailurePolicy
from controller.sweep.outcome import Interruption, Outcome
from controller.sweep.search.budget import TimeBudget
from controller.sweep.search.order import AdaptiveOrder, Order, make_order
from controller.sweep.throttling import Throttling
from controller.sweep.todo import PendingWork, register
from worker.wire.messages import Run

__all__ = ["run_sweep"]

_REFERENCE_REQUESTS = 11
"""The fewest that give a median (see docs/measuring.md)."""


def run_sweep(
    resolved: ResolvedExperiment,
    networks: Sequence[str],
    store: Store,
    screen: Screen,
    budget: TimeBudget | None = None,
) -> Outcome:
    """Run what is missing of these networks; of what `budget` is too short for, the most promising.

    Raises:
        DeviceError: A device is not there at the start, even after the experiment's `wait_s`, or its link is
            not as the network asks; with `on_failure: skip` only if that is so for all of them.
        ProfileError: The experiment says `search: planned`, and
            `controller.sweep.search.profiling.prepare` has not been called.
        ControllerError: A trial was void and the experiment says to stop.
    """
    register(resolved, store, networks, has_budget=budget is not None)
    cells = [cell for network in networks for cell in resolved.cells[network]]
    chosen = is_chosen(resolved, has_budget=budget is not None)
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption(screen.say))
        sweep = _Sweep(resolved, store, screen, interruption, budget)
        if chosen:
            wanted = [cell for cell in store.cells() if cell.network in networks]
            over = all(scope.over for scope in store.scopes() if scope.network in networks)
        else:
            wanted, over = cells, True
        if not over or sweep.pending.anything(wanted):
            sweep.pool = stack.enter_context(_pool(resolved, networks))
            sweep.pending.read(store)
            sweep.pool.require_codecs(
                link for cell in cells for link in route(cell, resolved.bundles[cell.bundle])
            )
            missing = [cell for cell in cells if sweep.pending.trials(cell)]
            require_rpc(sweep.pool.workers, missing, resolved.experiment.rpc)
            sweep.run(networks)
        if chosen:
            cells = [cell for cell in store.cells() if cell.network in networks]
        sweep.outcome.left = sweep.pending.count(cells)
        sweep.outcome.interrupted = interruption.asked
        return sweep.outcome


def _pool(resolved: ResolvedExperiment, networks: Sequence[str]) -> WorkerPool:
    """The workers of these networks' cells, with links as the one network that they can have asks."""
    names = dict.fromkeys(name for network in networks for name in resolved.devices(network))
    return WorkerPool(
        resolved.lab,
        list(names),
        resolved.experiment.wait_s,
        link_check=link_check(resolved.lab, networks[0], resolved.networks[networks[0]])
        if len(networks) == 1
        else None,
        without_absent=resolved.experiment.on_failure == "skip",
    )


class _Sweep:
    """A sweep under way."""

    pool: WorkerPool

    def __init__(
        self,
        resolved: ResolvedExperiment,
        store: Store,
        screen: Screen,
        interruption: Interruption,
        budget: TimeBudget | None,
    ) -> None:
        self._resolved = resolved
        self._budget = budget
        self._experiment = resolved.experiment
        self._store = store
        self._screen = screen
        self._interruption = interruption
        self.pending = PendingWork(resolved, store)
        self._accuracies = AccuracyPass(resolved, store, self.pending, screen, interruption)
        self._environment = 0
        self._pipelines = 0
        self._estimate: TimeEstimate
        self.outcome = Outcome()
        self._throttling = Throttling(resolved.experiment, screen)
        self._failures = FailurePolicy(resolved.experiment, screen, self.outcome)

    def run(self, networks: Sequence[str]) -> None:
        """Run what is missing, until all is there or a stop was asked for."""
        self._failures.give_up(self.pool.absent)
        devices = [
            DeviceRow(w.name, w.info.kind, w.info.slowdown, w.info.stamp) for w in self.pool.workers.values()
        ]
        self._environment = self._store.add_environment(now(), stamp(self._resolved.lab.name), devices)
        wanted = [cell for network in networks for cell in self._resolved.cells[network]]
        self._run_baselines(wanted)
        if not is_chosen(self._resolved, has_budget=self._budget is not None):
            self._accuracies.take(wanted)
        whole_model_s = self._whole_model_s()
        self._estimate = TimeEstimate(
            self._experiment,
            self._resolved.lab,
            self._resolved.bundles,
            self._resolved.networks,
            whole_model_s,
        )
        for position, network in enumerate(networks):
            if self._interruption.asked:
                return
            if self._budget is not None:
                self._budget.begin_part(len(networks) - position)
            order = make_order(
                self._resolved,
                network,
                self.pending,
                self._store,
                whole_model_s,
                has_budget=self._budget is not None,
            )
            later = [cell for p in networks[position + 1 :] for cell in self._resolved.cells[p]]
            if isinstance(order, AdaptiveOrder):
                later = []
            self._run_network(network, order, [cell for cell in later if self.pending.trials(cell)])

    def _run_baselines(self, cells: Sequence[Cell]) -> None:
        missing = self.pending.baselines(cells)
        for done, (digest, device, batch, number, threads) in enumerate(missing):
            if self._interruption.asked:
                return
            self._screen.step("baselines", done, len(missing), f"the whole model on {device}")
            requests = self._experiment.requests_at(min(cell.depth for cell in cells))
            for _ in range(self._failures.tries):
                if device in self._failures.lost:
                    break
                try:
                    baseline = baseline_trial(
                        self.pool.workers[device],
                        self._resolved.bundles[digest],
                        batch=batch,
                        number=number,
                        threads=self._threads(device, threads),
                        requests=requests,
                        warmup=self._experiment.warmup,
                    )
                except DeviceError as error:
                    self._failures.failed(f"baseline of {device}: {error}", error, self.pool)
                    continue
                self._store.add_baseline(baseline, self._environment)
                break
        if missing:
            self._screen.step("baselines", len(missing), len(missing), "")

    def _whole_model_s(self) -> dict[tuple[str, str], float]:
        seconds: dict[tuple[str, str], list[float]] = {}
        for b in self._store.baselines():
            seconds.setdefault((b.bundle, b.device), []).append(statistics.median(b.compute_s) / b.batch)
        return {key: statistics.median(values) for key, values in seconds.items()}

    def _run_network(self, network: str, order: Order, later: Sequence[Cell]) -> None:
        """Run cells of one network as they are ordered, the reference cell among them.

        Args:
            later: For the time left.
        """
        every = self._experiment.reference_every
        reference = reference_of(self._resolved.cells[network]) if every else None
        if reference is not None:
            # It may be none of those that are chosen.
            self._accuracies.take_of_codecs([reference])
        before = sum(not self.pending.trials(cell) for cell in self._resolved.cells[network])
        run, ended = 0, None
        while cells := order.next_cells():
            if run and self._budget is not None and self._estimate.left_s(cells) > self._budget.left_s:
                ended = "time spent"
                self.outcome.left_out += len(cells) + len(order.ahead())
                break
            if isinstance(order, AdaptiveOrder):
                self._store.add_cells(cells)
                self._store.add_predicted(order.predicted())
                self._accuracies.take(cells)
            ahead = order.ahead()
            for position, cell in enumerate(cells):
                if self._interruption.asked:
                    return
                if reference is not None and run % every == 0:
                    self._run_reference(reference)
                self._show(network, before + run, (*cells[position:], *ahead), later)
                self._run_cell(cell)
                run += 1
            if self._interruption.asked:
                return
        if isinstance(order, AdaptiveOrder):
            scope = order.scope(network, ended)
            self._store.set_scope(scope)
            wanted = sum(cell.network == network for cell in self._store.cells())
            self._screen.say(f"{network}: {wanted} of {scope.cells} cells chosen; {scope.ended}")
        if run and reference is not None:
            self._run_reference(reference)
        if run:
            self._show_end(network)

    def _show(self, network: str, done: int, missing: Sequence[Cell], later: Sequence[Cell]) -> None:
        """Say which cell comes now, the first of what is missing, and how far all is."""
        cell = missing[0]
        left_s = self._estimate.left_s(
            [one for one in (*missing, *later) if self._failures.lost.isdisjoint(one.devices)]
        )
        if self._budget is not None:
            left_s = min(left_s, max(0.0, self._budget.left_s))
        doing = f"{cell.label}, depth {cell.depth}" + (f", batch {cell.batch}" if cell.batch > 1 else "")
        self._screen.step(network, done, done + len(missing), doing, left_s)

    def _show_end(self, network: str) -> None:
        wanted = [cell for cell in self._store.cells() if cell.network == network]
        left = sum(bool(self.pending.trials(cell)) for cell in wanted)
        told = f"{left} left out" if left else "done"
        self._screen.step(network, len(wanted) - left, len(wanted), told)

    def _run_cell(self, cell: Cell) -> None:
        for tried in range(1, TRIES + 1):
            void = self._try_cell(cell)
            if void is None:
                return
            what = f"{cell.network}, {cell.label}, depth {cell.depth}: {void}"
            if self._throttling.tries_again(void) and tried < TRIES:
                self.outcome.voids.append(what)
                self._screen.say(f"void: {what}; trying again")
            else:
                self._failures.void(what, self.pool)
                if tried >= self._failures.tries:
                    return
            if self._interruption.asked:
                return

    def _try_cell(self, cell: Cell) -> TrialVoid | None:
        """Run what is missing of a cell; gives why a trial was void, and the cell is not finished."""
        missing = self.pending.trials(cell)
        if gone := self._failures.lost.intersection(cell.devices):
            reason = f"{', '.join(sorted(gone))}: given up before; left out"
            self._store.add_void(cell.id, missing[0], self._environment, now(), reason, min(gone))
            return None
        started_s = time.monotonic()
        number = missing[0]
        started_at = now()
        try:
            with self._runner(cell) as runner:
                for number in missing:
                    self._throttling.cool_down(
                        [self.pool.workers[name] for name in dict.fromkeys(cell.devices)]
                    )
                    started_at = now()
                    self._screen.running(cell, number)
                    warmup = self._experiment.warmup if number == missing[0] else 0
                    closed = self._experiment.closed_run(cell.depth)
                    trial = run_trial(runner, cell, number, closed, seed=self._experiment.seed, warmup=warmup)
                    self._throttling.judge(trial)
                    self._store.add_trial(replace(trial, environment=self._environment))
                    self.pending.finished(cell, number)
                    self._screen.finished(cell, trial)
                    self.outcome.done += 1
                    if self._interruption.asked:
                        return None
        except TrialVoid as void:
            self._store.add_void(cell.id, number, self._environment, started_at, str(void), void.device)
            return void
        took_s = time.monotonic() - started_s
        self.outcome.overheads_s.append(took_s - runner.ran_s)
        if len(missing) == self._experiment.trials:
            self._estimate.learn(cell, took_s)
        return None

    def _run_reference(self, cell: Cell) -> None:
        if not self._failures.lost.isdisjoint(cell.devices):
            return
        try:
            with self._runner(cell) as runner:
                timeout_s = self._experiment.trial_timeout_s
                run = Run(requests=_REFERENCE_REQUESTS, timeout_s=timeout_s)
                trial = runner.run(0, run, warmup=self._experiment.warmup)
        except TrialVoid as void:
            self._failures.void(f"{cell.network}, reference cell: {void}", self.pool)
            return
        latency_s = statistics.median(trial.endpoint["latency_s"].tolist())
        self._store.add_drift(
            Drift(cell.network, trial.started_at, self.pending.finished_trials, latency_s),
            self._environment,
        )

    def _runner(self, cell: Cell) -> PipelineRunner:
        self._pipelines += 1
        try:
            controller_endpoint = ControllerEndpoint.of(cell, self._resolved.lab)
        except DeviceError as error:
            raise TrialVoid(str(error), error.device) from error
        bundle = self._resolved.bundles[cell.bundle]
        plan = plan_pipeline(
            f"{cell.id}.{self._pipelines}",
            cell,
            bundle,
            self._resolved.lab,
            self._resolved.networks[cell.network],
            threads={name: self._threads(name, cell.threads) for name in cell.devices},
            check_every=self._experiment.check_every,
            allowed_error=self._accuracies.allowed_error(cell),
            controller_addresses=controller_endpoint.addresses if controller_endpoint else None,
            rpc=self._experiment.rpc,
        )
        return PipelineRunner(plan, cell, bundle, self.pool.workers, controller_endpoint)

    def _threads(self, device: str, compared: int | None) -> int:
        return self._experiment.threads_on(device, self.pool.workers[device].info.threads, compared)
