"""Where all that a sweep measures is recorded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.console import Progress
from controller.errors import TrialVoid
from controller.results import (
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    FullSpeed,
    Look,
    Predicted,
    Saturation,
    Scope,
    Sentinel,
    Store,
    TimeAlone,
    Trial,
)
from controller.sweep.environments import Environments
from controller.sweep.outcome import Outcome
from controller.sweep.todo import PendingWork
from worker.wire.messages import DeviceInfo

__all__ = ["Recorder"]


@dataclass(frozen=True)
class Recorder:
    """Commits what a sweep measures, and keeps its pending work, its outcome and its screen in step."""

    store: Store
    pending: PendingWork
    screen: Progress
    outcome: Outcome
    environments: Environments

    @property
    def environment(self) -> int:
        """Number of the environment in the results file that what is measured now refers to."""
        return self.environments.number

    def note_devices(self, devices: Sequence[DeviceInfo]) -> None:
        """Note these devices as they are now that they have been claimed again."""
        for name in self.environments.note(devices):
            self.screen.say(f"{name} came back with other versions or settings; later trials carry them")

    def add_trial(self, cell: Cell, trial: Trial) -> None:
        """Commit a finished trial of a cell."""
        self.store.add_trial(replace(trial, environment=self.environment))
        self.pending.note(trial)
        self.outcome.done += 1
        self.screen.finished(cell, trial)

    def add_overhead(self, seconds: float) -> None:
        """Note what a trial took beside waiting for its requests."""
        self.outcome.overheads_s.append(seconds)

    def add_void(self, cell: Cell, number: int, started_at: str, void: TrialVoid) -> None:
        """Commit why trial `number` of a cell does not count; it stays pending."""
        self.store.add_void(cell.id, number, self.environment, started_at, str(void), void.device)

    def note_void(self, what: str) -> None:
        """Note what went wrong, in a line."""
        self.outcome.voids.append(what)

    def add_saturation(self, saturation: Saturation) -> None:
        """Commit the depth that was found for a cell."""
        self.store.add(saturation)

    def add_sentinel(self, sentinel: Sentinel, environment: int) -> None:
        """Commit a sentinel's times, in place of those that it had in this environment and block."""
        self.store.add(sentinel, environment=environment)

    def add(self, row: BaselineTrial | Accuracy | CodecAccuracy) -> None:
        """Commit a baseline trial or an accuracy."""
        more = {"environment": self.environment} if isinstance(row, BaselineTrial) else {}
        self.store.add(row, **more)
        self.pending.note(row)

    def add_full_speeds(self, full_speeds: Sequence[FullSpeed]) -> None:
        """Commit stages' times at full speed; those that the results file has stay."""
        self.store.add(*full_speeds, environment=self.environment)

    def add_time_alone(self, time_alone: TimeAlone) -> None:
        """Commit a stage's time alone in a block, in place of one taken before."""
        self.store.add(time_alone, environment=self.environment)

    def add_cells(self, cells: Sequence[Cell], predicted: Sequence[Predicted]) -> None:
        """Commit which cells come next, and what was predicted of them."""
        self.store.add(*cells, *predicted)

    def add_look(self, look: Look) -> None:
        """Commit which cells could still change an answer, or why no block is to come."""
        self.store.add(look)
        self.pending.note(look)
        if look.ended is not None:
            sure = "" if look.sure is None else f"; answers are at least {math.floor(100 * look.sure)} % sure"
            self.screen.say(f"{look.network}: enough after {look.block} blocks: {look.ended}{sure}")

    def leave_out(self, cells: int) -> None:
        """Note that the time is spent, and that so many cells have not begun."""
        self.outcome.time_spent = True
        self.outcome.left_out += cells

    def set_scope(self, scope: Scope) -> None:
        """Commit how many cells of a network were chosen, and why the choosing ended."""
        self.store.add(scope)
        chosen = sum(cell.network == scope.network for cell in self.store.cells())
        self.screen.say(f"{scope.network}: {chosen} of {scope.cells} cells chosen; {scope.ended}")
