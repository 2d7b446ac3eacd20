"""A sweep: the cells of an experiment, all or the most promising, in blocks, each trial committed as it ends.

What is already in the results file is not run again, so the same command takes up a sweep that
was interrupted.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from controller.console import Progress
from controller.experiment.resolve import ResolvedExperiment, is_chosen
from controller.experiment.topology import route
from controller.lab.worker_pool import WorkerPool
from controller.links import link_check
from controller.pipeline.rpc import require_rpc
from controller.results import (
    BaselineTrial,
    Block,
    Cell,
    CodecAccuracy,
    Saturation,
    Scope,
    Store,
    reference_boxes,
)
from controller.sweep.accuracy_pass import AccuracyPass
from controller.sweep.baseline_runner import BaselineRunner, whole_model_s
from controller.sweep.blocks import Blocks, is_end, unloaded_first
from controller.sweep.cell_runner import CellRunner
from controller.sweep.context import SweepContext
from controller.sweep.environments import Environments
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import FailurePolicy
from controller.sweep.outcome import Interruption, Outcome, Stop
from controller.sweep.recorder import Recorder
from controller.sweep.search.budget import TimeBudget
from controller.sweep.search.order import Order, make_order
from controller.sweep.sentinels import BlockSentinels
from controller.sweep.stage_times import StageTimes
from controller.sweep.stopping import StoppingRule
from controller.sweep.throttling import Throttling
from controller.sweep.todo import BaselineKey, PendingWork, register

__all__ = ["run_sweep"]


def run_sweep(
    resolved: ResolvedExperiment,
    networks: Sequence[str],
    store: Store,
    screen: Progress,
    budget: TimeBudget | None = None,
    *,
    lab_file: Path | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Run what is missing of these networks; of what `budget` is too short for, the most promising.

    Args:
        lab_file: The results carry the last verdict of its selfcheck, if that still holds.
        stop: Ends the sweep after the present trial; by default SIGINT and SIGTERM do, which takes the main
            thread.

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
        interruption = stop or stack.enter_context(Interruption(screen.say))
        is_choosing = chosen and not all(
            scope.over for scope in store.rows(Scope) if scope.network in networks
        )
        if is_choosing or pending.anything(requested_cells()):
            pool = stack.enter_context(_pool(resolved, networks))
            # Another sweep may have written while this one waited for its workers.
            pending.read(store)
            _run_missing(
                resolved, networks, store, pending, pool, screen, interruption, budget, outcome, lab_file
            )
        store.add(*reference_boxes(store, networks))
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
    screen: Progress,
    interruption: Stop,
    budget: TimeBudget | None,
    outcome: Outcome,
    lab_file: Path | None,
) -> None:
    """Visit cells and baselines, block after block, until nothing is missing or a stop is requested."""
    experiment = resolved.experiment
    has_budget = budget is not None
    cells = [cell for network in networks for cell in resolved.cells[network]]
    pool.require_codecs(link for cell in cells for link in route(cell, resolved.bundles[cell.bundle]))
    require_rpc(pool.workers, [cell for cell in cells if pending.missing(cell)], experiment.rpc)
    planted = experiment.planted or ()
    folders = {digest: bundle.path.name for digest, bundle in resolved.bundles.items()}
    environments = Environments(store, resolved.lab.name, pool.infos, planted, lab_file, folders)
    recorder = Recorder(store, pending, screen, outcome, environments)
    failures = FailurePolicy(experiment, pool, recorder, screen)
    failures.give_up(pool.absent)
    sweep = SweepContext(resolved, pool, pending, recorder, failures, screen, interruption)
    accuracies = AccuracyPass(sweep, store.rows(CodecAccuracy))
    if not is_chosen(resolved, has_budget=has_budget):
        accuracies.take(cells)
    alone_s = whole_model_s(store.rows(BaselineTrial))
    estimate = TimeEstimate(experiment, resolved.lab, resolved.bundles, resolved.networks, alone_s)
    shallowest = min(cells, key=lambda cell: cell.depth_key)
    _SweepRunner(
        sweep,
        lambda network: make_order(resolved, network, store, alone_s, has_budget=has_budget),
        CellRunner(sweep, accuracies, Throttling(experiment, screen), estimate, StageTimes(recorder)),
        BaselineRunner(sweep, experiment.requests_of(shallowest)),
        accuracies,
        estimate,
        budget or TimeBudget(math.inf),
        Blocks(store, experiment.seed),
        StoppingRule(store, pending.wanted),
    ).run(networks)


@dataclass(frozen=True)
class _SweepRunner:
    """Runs the blocks of network after network, with the cells that suit the experiment."""

    sweep: SweepContext
    order_of: Callable[[str], Order]
    cells: CellRunner
    baselines: BaselineRunner
    accuracies: AccuracyPass
    estimate: TimeEstimate
    budget: TimeBudget
    blocks: Blocks
    stopping: StoppingRule

    def run(self, networks: Sequence[str]) -> None:
        """Run what is missing, to the end or to a requested stop."""
        for position, network in enumerate(networks):
            if self.sweep.interruption.requested:
                return
            self.budget.begin_part(len(networks) - position)
            self._time_devices(network)
            later = self._chosen(networks[position + 1 :])
            self._run_network(network, self.order_of(network), later)

    def _time_devices(self, network: str) -> None:
        """Take the baselines of devices that have none yet: from them it is estimated how long cells take."""
        keys = self._pending_baselines(self.sweep.resolved.cells[network])
        unknown = [key for key in keys if (key.bundle, key.device) not in self.estimate.whole_model_s]
        if not unknown:
            return
        block = self.blocks.begin(network)
        for done, key in enumerate(unknown):
            if self.sweep.interruption.requested:
                return
            self.sweep.screen.step("baselines", done, len(unknown), f"the whole model on {key.device}")
            self.baselines.run(key, block)
        self.sweep.screen.step("baselines", len(unknown), len(unknown), "")
        self.estimate.whole_model_s.update(
            whole_model_s(self.sweep.recorder.store.rows(BaselineTrial, network=network))
        )

    def _run_network(self, network: str, order: Order, later: Sequence[Cell]) -> None:
        """Run blocks until no cell of a network is missing, or there is no time for one.

        Args:
            later: Cells that come after the network's, for the time left.
        """
        recorder, ended, block = self.sweep.recorder, None, None
        while not self.sweep.interruption.requested:
            cells = order.next_cells(self._fits)
            recorder.add_cells(cells, order.predicted())
            self.accuracies.take(cells)
            if (look := self.stopping.look(network, self.blocks.next_number(network))) is not None:
                recorder.add_look(look)
            chosen = self._chosen([network])
            due = [cell for cell in chosen if self._is_due(cell)]
            baselines = self._pending_baselines(chosen)
            if not due and not baselines:
                if left_out := len(order.ahead()):
                    ended = self._end_in_time(left_out)
                break
            block = self.blocks.begin(network)
            if not self._run_block(block, chosen, due, baselines, [*order.ahead(), *later]):
                if not self.sweep.interruption.requested:
                    ended = self._end_in_time(len(order.ahead()))
                break
        if self.sweep.interruption.requested:
            return
        if (scope := order.scope(network, ended)) is not None:
            recorder.set_scope(scope)
        if block is not None:
            self._show_end(network)

    def _run_block(
        self,
        block: Block,
        chosen: Sequence[Cell],
        due: Sequence[Cell],
        baselines: Sequence[BaselineKey],
        later: Sequence[Cell],
    ) -> bool:
        """Visit the cells that are due, with both ends and the baselines beside them; False if cut short.

        Args:
            baselines: Those to take where no cell is due.
        """
        sweep = self.sweep
        ends = [c for c in chosen if is_end(c, sweep.resolved.bundles[c.bundle])] if due else []
        keys = sweep.pending.baselines(chosen) if due else baselines
        visits: list[Cell | BaselineKey] = [*dict.fromkeys([*due, *ends]), *keys]
        left = [visited for visited in visits if not sweep.pending.has(visited, block.number)]
        known = {row.cell for row in sweep.recorder.store.rows(Saturation)}
        ahead = deque(unloaded_first(self.blocks.shuffled(block, left), known))
        sentinels = BlockSentinels(sweep, block, chosen, len(ahead))
        while ahead:
            visited = ahead.popleft()
            if sweep.interruption.requested:
                return False
            sentinels.before_visit()
            if isinstance(visited, BaselineKey):
                self.baselines.run(visited, block)
            elif not self.cells.is_given_up(visited):
                if sweep.recorder.outcome.done and self.estimate.left_s([(visited, 1)]) > self.budget.left_s:
                    return False
                self._show(block, visited, chosen, later)
                if self.cells.run(visited, block):
                    ahead.append(visited)
        if sweep.interruption.requested:
            return False
        self.blocks.finish(block)
        return True

    def _fits(self, cells: Sequence[Cell]) -> bool:
        """Whether there is time for all trials of these cells, beside what is missing of others."""
        least = self.sweep.pending.wanted.least
        missing = [(c, self.sweep.pending.missing(c)) for c in self._chosen([cells[0].network])]
        return self.estimate.left_s([*missing, *((cell, least) for cell in cells)]) <= self.budget.left_s

    def _end_in_time(self, left_out: int) -> str:
        self.sweep.recorder.leave_out(left_out)
        return "time spent"

    def _is_due(self, cell: Cell) -> bool:
        return bool(self.sweep.pending.missing(cell)) and not self.cells.is_given_up(cell)

    def _pending_baselines(self, cells: Sequence[Cell]) -> list[BaselineKey]:
        keys = self.sweep.pending.baselines(cells)
        return [k for k in keys if self.sweep.pending.missing(k) and not self.baselines.is_given_up(k)]

    def _chosen(self, networks: Sequence[str]) -> list[Cell]:
        """The cells of these networks that have joined."""
        joined = {cell.id for cell in self.sweep.recorder.store.cells() if cell.network in networks}
        cells = (cell for network in networks for cell in self.sweep.resolved.cells[network])
        return [cell for cell in cells if cell.id in joined]

    def _show(self, block: Block, cell: Cell, chosen: Sequence[Cell], later: Sequence[Cell]) -> None:
        """Show the next trial and the time left."""
        pending = self.sweep.pending
        done, total = pending.progress(chosen)
        to_come = [(c, pending.at_most(c)) for c in (*chosen, *later)]
        lost = self.sweep.failures.lost
        left_s = self.estimate.left_s([(c, n) for c, n in to_come if lost.isdisjoint(c.devices)])
        left_s = min(left_s, max(0.0, self.budget.left_s))
        doing = f"{self._block_text(block)}, {cell.label}, depth {cell.depth_text}"
        doing += f", batch {cell.batch}" if cell.batch > 1 else ""
        is_most = pending.wanted.until is not None
        self.sweep.screen.step(block.network, done, total, doing, left_s, is_most=is_most)

    def _block_text(self, block: Block) -> str:
        """Which block runs, and where their number is not fixed, what could make it more."""
        wanted = self.sweep.pending.wanted
        text = f"block {block.number + 1}"
        if wanted.until is None:
            return text
        look = wanted.looks.get(block.network)
        open_cells = f"; {len(look.open)} cells could still change an answer" if look else ""
        return f"{text}, up to {wanted.most}{open_cells}"

    def _show_end(self, network: str) -> None:
        """Show how many of a network's trials are left out."""
        chosen = self._chosen([network])
        left, (done, total) = self.sweep.pending.count(chosen), self.sweep.pending.progress(chosen)
        self.sweep.screen.step(network, done, total, f"{left} left out" if left else "done")
