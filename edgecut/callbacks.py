"""A program's callbacks, as the progress of sweeps and profiles."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.console import Noted
from controller.results import Cell, Trial

__all__ = ["Callbacks", "Step"]


@dataclass(frozen=True)
class Step:
    """How far a sweep is.

    Attributes:
        part: The network, or the step before all networks.
        done: Finished trials, or other steps, of `total`.
        doing: What runs now, in words.
        left_s: Estimated seconds left for the whole sweep; None where unknown.
    """

    part: str
    done: int
    total: int
    doing: str
    left_s: float | None


@dataclass(frozen=True)
class Callbacks:
    """What a program wants to hear of; `viewers` can follow a sweep besides."""

    on_message: Callable[[str], None] | None = None
    on_step: Callable[[Step], None] | None = None
    on_trial: Callable[[Cell, Trial], None] | None = None
    viewers: Noted | None = None

    def say(self, text: str) -> None:
        """Pass an event on."""
        if self.on_message:
            self.on_message(text)

    def step(
        self,
        network: str,
        done: int,
        total: int,
        doing: str,
        left_s: float | None = None,
        *,
        is_most: bool = False,
    ) -> None:
        """Pass the progress on."""
        if self.viewers:
            self.viewers.step(network, done, total, doing, left_s)
        if self.on_step:
            self.on_step(Step(network, done, total, doing, left_s))

    def running(self, cell: Cell, number: int) -> None:
        """Tell viewers that a trial begins."""
        if self.viewers:
            self.viewers.running(cell, number)

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Pass a finished trial on."""
        if self.viewers:
            self.viewers.finished(cell, trial)
        if self.on_trial:
            self.on_trial(cell, trial)
