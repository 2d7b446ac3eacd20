"""Terminal output: tables, a sweep's progress, a view that is redrawn. Lines go through `worker.terminal`."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from controller.errors import ControllerError
from controller.results import Cell, Trial
from worker.terminal import GivingUp, say, show, visible

__all__ = [
    "Noted",
    "Progress",
    "Screen",
    "duration",
    "is_terminal",
    "plain_table",
    "redrawn",
    "say",
    "show",
    "show_json",
    "show_table",
    "words",
]

_LINE_EVERY_S = 5.0
_PIPE_WIDTH = 160


def duration(seconds: float) -> str:
    """Format seconds, as in `5 s`, `2 min 05 s` or `1 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _Console(Console):
    """Shows foreign text as it is: brackets are no markup, and what acts on a terminal is escaped."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make strings visible before they are laid out."""
        return super().render_str(visible(text), **(options | {"markup": False, "emoji": False}))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Make visible what became a text without `render_str`; its lines are rich's own."""
        if isinstance(renderable, Text):
            plain = "\n".join(map(visible, renderable.plain.split("\n")))
            renderable = renderable if plain == renderable.plain else Text(plain, renderable.style)
        return super().render(renderable, options)


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def show_table(shown: RenderableType, width: int = _PIPE_WIDTH) -> None:
    """Print a table or a panel to standard output; off a terminal `width` columns wide."""
    _Console(width=None if is_terminal() else width).print(shown)


def show_json(value: object) -> None:
    """Print a value to standard output as JSON."""
    show(*json.dumps(value, indent=1).splitlines())


def redrawn() -> Live:
    """Return a part of the terminal that each update replaces."""
    return Live(console=_Console(), auto_refresh=False, vertical_overflow="crop")


def words(*parts: str | tuple[str, str]) -> Text:
    """Return foreign text, in parts with or without a style."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without frames, its first column left-aligned and the others right-aligned."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=position == 0)
    return table


def _appended(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ControllerError(
            f"--progress {path}: cannot be written ({error.strerror}); name another file"
        ) from error


class Noted(Protocol):
    """A richer view that a screen can show in place of its bar."""

    def step(self, part: str, done: int, total: int, doing: str, left_s: float | None) -> None: ...

    def running(self, cell: Cell, number: int) -> None: ...

    def finished(self, cell: Cell, trial: Trial) -> None: ...

    def __rich__(self) -> RenderableType: ...


class Progress(Protocol):
    """What long work reports while it runs: a `Screen`, or a program's own callbacks."""

    def say(self, text: str) -> None:
        """Report an event, in a line."""

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
        """Report that `done` of `total` trials or other steps are done.

        Args:
            network: The network, or the step before all networks.
            left_s: Estimated seconds left.
            is_most: It may be over sooner than in `left_s`.
        """

    def running(self, cell: Cell, number: int) -> None:
        """Report that trial `number` of a cell begins."""

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Report a finished trial; it is in the results file."""


class Screen:
    """A sweep's progress on standard error, and as lines in a file if one is given.

    The work outlives its screen: while entered, a terminal that goes away does not end the process.
    """

    def __init__(self, progress_file: Path | None = None, noted: Noted | None = None) -> None:
        self._console = _Console(stderr=True)
        self._file = _appended(progress_file) if progress_file else None
        self._lines = GivingUp(self._file) if self._file else None
        self._noted = noted
        # Drawn only between trials: a ticking clock would take time from the measurement.
        self._panel = Live(noted, console=self._console, auto_refresh=False) if noted else None
        self._is_terminal = sys.stderr.isatty()
        self._of_hang_up: Any = None
        self._bar = ProgressBar(
            TextColumn("{task.fields[network]}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[doing]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            disable=not self._is_terminal or self._panel is not None,
        )
        self._task = self._bar.add_task("", network="", doing="", left="", total=None)
        self._last_line_s = 0.0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._of_hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._bar.start()
        if self._panel and self._is_terminal:
            self._panel.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()
        self._draw()
        if self._panel:
            self._panel.stop()
        if self._file:
            self._file.close()
        if self._of_hang_up is not None:
            signal.signal(signal.SIGHUP, self._of_hang_up)

    def say(self, text: str) -> None:
        """Print a permanent line."""
        say(text)
        self._write(text)

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
        """Show the progress; off a terminal a line every few seconds at most, the last one always.

        Args:
            is_most: It may be over sooner than in `left_s`.
        """
        left = "" if left_s is None else f"{'at most ' * is_most}{duration(left_s)} left"
        self._bar.update(self._task, completed=done, total=total, network=network, doing=doing, left=left)
        if self._noted:
            self._noted.step(network, done, total, doing, left_s)
            self._draw()
        now = time.monotonic()
        if now - self._last_line_s < _LINE_EVERY_S and done < total:
            return
        self._last_line_s = now
        line = "  ".join(part for part in (f"{network}: {done}/{total}", doing, left) if part)
        if not self._is_terminal:
            say(line)
        self._write(line)

    def running(self, cell: Cell, number: int) -> None:
        """Announce a cell's trial `number`."""
        if self._noted:
            self._noted.running(cell, number)
            self._draw()

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Announce a finished trial."""
        if self._noted:
            self._noted.finished(cell, trial)

    def _draw(self) -> None:
        if self._panel and self._panel.is_started:
            self._panel.refresh()

    def _write(self, line: str) -> None:
        if self._lines:
            self._lines.write(visible(line) + "\n")
            self._lines.flush()
