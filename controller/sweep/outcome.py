"""How a sweep ended, in words and as an exit code."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, Protocol, Self

__all__ = ["INTERRUPTED", "Interruption", "MISSING", "Outcome", "Stop", "TIME_SPENT"]

MISSING = 1
TIME_SPENT = 3
INTERRUPTED = 130

_ANNOUNCED_IN_S = 1.0
"""A terminal that has stopped (Ctrl-S) must not keep the sweep from ending."""


@dataclass
class Outcome:
    """How a sweep ended.

    Attributes:
        done: Trials that this call finished.
        left: Requested trials that are still missing; where answers decide how many, at least.
        voids: What went wrong, a line each.
        overheads_s: Wall time of each trial that ran whole, beside what it waited for its requests.
        interrupted: A signal requested the stop.
        time_spent: The time budget ended it.
        left_out: Cells for which there was no time.
    """

    done: int = 0
    left: int = 0
    left_out: int = 0
    voids: list[str] = field(default_factory=list)
    overheads_s: list[float] = field(default_factory=list)
    interrupted: bool = False
    time_spent: bool = False

    @property
    def exit_code(self) -> int:
        """What the command ends with: 0 only where nothing is missing."""
        if self.interrupted:
            return INTERRUPTED
        if self.time_spent:
            return TIME_SPENT
        return MISSING if self.left else 0

    def summary(self, path: Path) -> str:
        """How it ended, in a line."""
        if self.time_spent and not self.interrupted:
            missing = f"{self.left} missing, " if self.left else ""
            return (
                f"time budget used up: {self.done} trials done, the most promising first; {missing}"
                f"{self.left_out} cells left out; run the same command to resume ({path})"
            )
        if self.left:
            what_next = "" if self.interrupted else "; run the same command to resume"
            return f"incomplete: {self.done} trials done, {self.left} missing{what_next} ({path})"
        if self.interrupted:
            return f"incomplete: {self.done} trials done ({path})"
        if not self.done:
            return f"nothing to do: all trials are done ({path})"
        return f"complete: {self.done} trials done ({path})"


class Stop(Protocol):
    """Tells a sweep when to end."""

    @property
    def requested(self) -> bool:
        """Whether to end after the present trial."""


class Interruption:
    """While entered, the first SIGINT or SIGTERM only asks to stop; the second interrupts at once.

    A handler runs within any line of the main thread, even within a request to a device: it sets the flag,
    leaves the next signal to Python, and wakes the thread that announces.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._before: dict[signal.Signals, Any] = {}
        self._wakes: SimpleQueue[bool] = SimpleQueue()
        self._announcer = threading.Thread(target=self._wait, name="interruption", daemon=True)
        self.requested = False

    def __enter__(self) -> Self:
        self._announcer.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._wakes.put(False)
        self._announcer.join(_ANNOUNCED_IN_S)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for each in self._before:
            signal.signal(each, signal.default_int_handler)
        self._wakes.put(True)

    def _wait(self) -> None:
        if self._wakes.get():
            self._announce("stopping after this trial; press Ctrl-C again to abort it")
