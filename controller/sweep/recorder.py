"""Where all that a sweep measures is recorded."""

from collections.abc import Sequence
from dataclasses import replace

from controller.console import Screen
from controller.errors import TrialVoid
from controller.results import (
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    Drift,
    Predicted,
    Scope,
    Store,
    Trial,
)
from controller.results.metrics import latency_s
from controller.sweep.outcome import Outcome
from controller.sweep.todo import PendingWork

__all__ = ["Recorder"]


class Recorder:
    """Commits what a sweep measures, and keeps its pending work, its outcome and its screen in step."""

    def __init__(
        self, store: Store, pending: PendingWork, screen: Screen, outcome: Outcome, environment: int
    ) -> None:
        """Record under `environment`, the number of this call of the sweep."""
        self._store = store
        self._pending = pending
        self._screen = screen
        self._outcome = outcome
        self._environment = environment

    def add_trial(self, cell: Cell, trial: Trial) -> None:
        """Commit a finished trial of a cell."""
        self._store.add_trial(replace(trial, environment=self._environment))
        self._pending.trial_kept(trial)
        self._outcome.done += 1
        self._screen.finished(cell, trial)

    def add_overhead(self, seconds: float) -> None:
        """Note what a cell that ran whole took beside waiting for its requests."""
        self._outcome.overheads_s.append(seconds)

    def add_void(self, cell: Cell, number: int, started_at: str, void: TrialVoid) -> None:
        """Commit why trial `number` of a cell does not count; it stays pending."""
        self._store.add_void(cell.id, number, self._environment, started_at, str(void), void.device)

    def note_void(self, what: str) -> None:
        """Note what went wrong, in a line."""
        self._outcome.voids.append(what)

    def add_reference(self, cell: Cell, trial: Trial) -> None:
        """Commit how a network's reference cell has drifted."""
        trials_before = self._pending.finished_trials
        drift = Drift(cell.network, trial.started_at, trials_before, latency_s(trial))
        self._store.add_drift(drift, self._environment)

    def add_baseline(self, baseline: BaselineTrial) -> None:
        """Commit a baseline trial."""
        self._store.add_baseline(baseline, self._environment)
        self._pending.baseline_kept(baseline)

    def add_accuracy(self, accuracy: Accuracy) -> None:
        """Commit the accuracy of a split."""
        self._store.add_accuracy(accuracy)
        self._pending.accuracy_kept(accuracy)

    def add_codec_accuracy(self, accuracy: CodecAccuracy) -> None:
        """Commit the accuracy of a split under codecs."""
        self._store.add_codec_accuracy(accuracy)
        self._pending.codec_accuracy_kept(accuracy)

    def add_cells(self, cells: Sequence[Cell], predicted: Sequence[Predicted]) -> None:
        """Commit which cells come next, and what was predicted of them."""
        self._store.add_cells(cells)
        self._store.add_predicted(predicted)

    def leave_out(self, cells: int) -> None:
        """Note that there is no time for so many cells."""
        self._outcome.left_out += cells

    def set_scope(self, scope: Scope) -> None:
        """Commit how many cells of a network were chosen, and why the choosing ended."""
        self._store.set_scope(scope)
        chosen = sum(cell.network == scope.network for cell in self._store.cells())
        self._screen.say(f"{scope.network}: {chosen} of {scope.cells} cells chosen; {scope.ended}")
