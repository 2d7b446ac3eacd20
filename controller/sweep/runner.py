"""A sweep: the cells of an experiment, all or the most promising, each trial committed as it ends.

What is already in the results file is not run again, so the same command takes up a sweep that
was interrupted.
"""

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from controller.console import Screen
from controller.experiment.resolve import ResolvedExperiment, is_chosen, reference_of
from controller.experiment.topology import route
from controller.lab.worker_pool import WorkerPool
from controller.links import link_check
from controller.pipeline.rpc import require_rpc
from controller.results import PLANTED, BaselineTrial, Cell, CodecAccuracy, DeviceRow, Scope, Store
from controller.results.provenance import now, stamp
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.baseline_pass import take_baselines, whole_model_s
from controller.sweep.cell_runner import CellRunner
from controller.sweep.context import SweepContext
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import FailurePolicy
from controller.sweep.outcome import Interruption, Outcome
from controller.sweep.recorder import Recorder
from controller.sweep.search.budget import TimeBudget
from controller.sweep.search.order import Order, make_order
from controller.sweep.throttling import Throttling
from controller.sweep.todo import PendingWork, register
from worker.wire.messages import DeviceInfo

__all__ = ["run_sweep"]


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
    chosen = is_chosen(resolved, has_budget=budget is not None)
    register(resolved, store, networks, has_budget=budget is not None)
    pending = PendingWork(resolved, store)
    outcome = Outcome()

    def requested_cells() -> list[Cell]:
        """Those of a search are known once it has chosen them."""
        if chosen:
            return [cell for cell in store.cells() if cell.network in networks]
        return [cell for network in networks for cell in resolved.cells[network]]

    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption(screen.say))
        is_choosing = chosen and not all(
            scope.over for scope in store.rows(Scope) if scope.network in networks
        )
        if is_choosing or pending.anything(requested_cells()):
            pool = stack.enter_context(_pool(resolved, networks))
            # Another sweep may have written while this one waited for its workers.
            pending.read(store)
            _run_missing(resolved, networks, store, pending, pool, screen, interruption, budget, outcome)
        outcome.left = pending.count(requested_cells())
        outcome.interrupted = interruption.requested
        return outcome


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


def _run_missing(
    resolved: ResolvedExperiment,
    networks: Sequence[str],
    store: Store,
    pending: PendingWork,
    pool: WorkerPool,
    screen: Screen,
    interruption: Interruption,
    budget: TimeBudget | None,
    outcome: Outcome,
) -> None:
    """Take baselines and accuracies, then run cells, until nothing is missing or a stop is requested."""
    experiment = resolved.experiment
    has_budget = budget is not None
    budget = budget or TimeBudget(math.inf)
    cells = [cell for network in networks for cell in resolved.cells[network]]
    pool.require_codecs(link for cell in cells for link in route(cell, resolved.bundles[cell.bundle]))
    require_rpc(pool.workers, [cell for cell in cells if pending.trials(cell)], experiment.rpc)
    devices = [_device_row(w.info, experiment.planted or ()) for w in pool.workers.values()]
    environment = store.add_environment(now(), stamp(resolved.lab.name), devices)
    recorder = Recorder(store, pending, screen, outcome, environment)
    failures = FailurePolicy(experiment, pool, recorder, screen)
    failures.give_up(pool.absent)
    sweep = SweepContext(resolved, pool, pending, recorder, failures, screen, interruption)
    take_baselines(sweep, cells)
    accuracies = AccuracyPass(sweep, store.rows(CodecAccuracy))
    if not is_chosen(resolved, has_budget=has_budget):
        accuracies.take(cells)
    alone_s = whole_model_s(store.rows(BaselineTrial))
    estimate = TimeEstimate(experiment, resolved.lab, resolved.bundles, resolved.networks, alone_s)
    _SweepRunner(
        sweep,
        lambda network: make_order(resolved, network, pending, store, alone_s, has_budget=has_budget),
        CellRunner(sweep, accuracies, Throttling(experiment, screen), estimate),
        accuracies,
        estimate,
        budget,
    ).run(networks)


def _device_row(device: DeviceInfo, planted: Collection[str]) -> DeviceRow:
    """A device for the results file: of kind `planted` where it has planted times, and no other."""
    if device.name not in planted:
        return DeviceRow(device.name, device.kind, device.slowdown, device.stamp)
    stamp = {**device.stamp, "device": PLANTED, "kind": device.kind}
    return DeviceRow(device.name, PLANTED, device.slowdown, stamp)


@dataclass(frozen=True)
class _SweepRunner:
    """Runs the cells of network after network in the order that suits the experiment."""

    sweep: SweepContext
    order_of: Callable[[str], Order]
    cells: CellRunner
    accuracies: AccuracyPass
    estimate: TimeEstimate
    budget: TimeBudget

    def run(self, networks: Sequence[str]) -> None:
        """Run what is missing, to the end or to a requested stop."""
        for position, network in enumerate(networks):
            if self.sweep.interruption.requested:
                return
            self.budget.begin_part(len(networks) - position)
            later = self._unfinished(networks[position + 1 :])
            self._run_network(network, self.order_of(network), later)

    def _run_network(self, network: str, order: Order, later: Sequence[Cell]) -> None:
        """Run cells of one network as they are ordered, the reference cell among them.

        Args:
            later: Cells that come after the network's, for the time left.
        """
        sweep = self.sweep
        every = sweep.resolved.experiment.reference_every
        reference = reference_of(sweep.resolved.cells[network]) if every else None
        if reference is not None:
            # It may be none of those that are chosen.
            self.accuracies.take_of_codecs([reference])
        done = sum(not sweep.pending.trials(cell) for cell in sweep.resolved.cells[network])
        run, ended = 0, None
        while cells := order.next_cells():
            ahead = order.ahead()
            if run and self.estimate.left_s(cells) > self.budget.left_s:
                ended = "time spent"
                sweep.recorder.leave_out(len(cells) + len(ahead))
                break
            sweep.recorder.add_cells(cells, order.predicted())
            self.accuracies.take(cells)
            for position, cell in enumerate(cells):
                if sweep.interruption.requested:
                    return
                if reference is not None and run % every == 0:
                    self.cells.run_reference(reference)
                self._show(network, done + run, (*cells[position:], *ahead), later)
                self.cells.run(cell)
                run += 1
            if sweep.interruption.requested:
                return
        if (scope := order.scope(network, ended)) is not None:
            sweep.recorder.set_scope(scope)
        if run and reference is not None:
            self.cells.run_reference(reference)
        if run:
            self._show_end(network)

    def _unfinished(self, networks: Sequence[str]) -> list[Cell]:
        """Unfinished cells of these networks, as far as they are chosen."""
        chosen = {cell.id for cell in self.sweep.recorder.store.cells() if cell.network in networks}
        if not chosen:
            return []
        cells = (cell for network in networks for cell in self.sweep.resolved.cells[network])
        return [cell for cell in cells if cell.id in chosen and self.sweep.pending.trials(cell)]

    def _show(self, network: str, done: int, missing: Sequence[Cell], later: Sequence[Cell]) -> None:
        """Show the next cell, the first of the network's `missing` ones, and the time left."""
        cell, lost = missing[0], self.sweep.failures.lost
        left_s = self.estimate.left_s([c for c in (*missing, *later) if lost.isdisjoint(c.devices)])
        left_s = min(left_s, max(0.0, self.budget.left_s))
        doing = f"{cell.label}, depth {cell.depth}" + (f", batch {cell.batch}" if cell.batch > 1 else "")
        self.sweep.screen.step(network, done, done + len(missing), doing, left_s)

    def _show_end(self, network: str) -> None:
        """Show how many of a network's cells are left out."""
        chosen = [cell for cell in self.sweep.recorder.store.cells() if cell.network == network]
        left = sum(bool(self.sweep.pending.trials(cell)) for cell in chosen)
        doing = f"{left} left out" if left else "done"
        self.sweep.screen.step(network, len(chosen) - left, len(chosen), doing)
