"""How far a sweep is, and how long it will take, as its screen shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.console import Screen
from controller.experiment.resolve import ResolvedExperiment
from controller.results import Cell, Results
from controller.sweep.eta import TimeEstimate
from controller.sweep.failure_policy import FailurePolicy
from controller.sweep.search.budget import TimeBudget
from controller.sweep.todo import PendingWork

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Shows the progress of a sweep, network by network."""

    resolved: ResolvedExperiment
    results: Results
    pending: PendingWork
    estimate: TimeEstimate
    budget: TimeBudget
    failures: FailurePolicy
    screen: Screen

    def left_of(self, networks: Sequence[str]) -> list[Cell]:
        """Unfinished cells of these networks, of those that are known to be wanted."""
        wanted = {cell.id for cell in self.results.cells() if cell.network in networks}
        if not wanted:
            return []
        cells = (cell for network in networks for cell in self.resolved.cells[network])
        return [cell for cell in cells if cell.id in wanted and self.pending.trials(cell)]

    def show(self, network: str, done: int, missing: Sequence[Cell], later: Sequence[Cell]) -> None:
        """Say which cell comes now, the first of the missing ones.

        Args:
            done: Cells of the network that are finished.
            missing: Cells of the network that are not.
            later: Cells that come after the network's, for the time left.
        """
        cell = missing[0]
        lost = self.failures.lost
        left_s = self.estimate.left_s([c for c in (*missing, *later) if lost.isdisjoint(c.devices)])
        doing = f"{cell.label}, depth {cell.depth}" + (f", batch {cell.batch}" if cell.batch > 1 else "")
        left_s = min(left_s, max(0.0, self.budget.left_s))
        self.screen.step(network, done, done + len(missing), doing, left_s)

    def show_end(self, network: str) -> None:
        """Say what is left out of the cells of a network that is over."""
        wanted = [cell for cell in self.results.cells() if cell.network == network]
        left = sum(bool(self.pending.trials(cell)) for cell in wanted)
        doing = f"{left} left out" if left else "done"
        self.screen.step(network, len(wanted) - left, len(wanted), doing)
