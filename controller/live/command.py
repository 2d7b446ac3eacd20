"""`controller watch`: follow a sweep from another terminal."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from controller.console import is_terminal, redrawn, show, show_table, words
from controller.live.follower import Follower
from controller.live.live_file import swept_on
from controller.live.view import line, panel
from controller.options import LAB, LabFile
from worker.terminal import has_lost_output

__all__ = ["WatchOptions", "follow"]

_EVERY_S = 1.0
_LINE_EVERY_S = 5.0
_WIDTH = 100


@dataclass(frozen=True)
class WatchOptions:
    """The options of `controller watch`: a results file, or a lab whose current sweep to follow."""

    results: Annotated[
        Path | None, typer.Argument(help="The sweep's results file. Default: that of the sweep on --lab.")
    ] = None
    lab: LabFile = LAB
    once: Annotated[bool, typer.Option("--once", help="Print the current state and exit.")] = False

    def find(self) -> Path | None:
        """The results file to follow; None before a sweep has begun."""
        return self.results or swept_on(self.lab)

    def waiting_for(self) -> str:
        """The missing sweep, in words."""
        if self.results is not None:
            return f"no sweep into {self.results} yet"
        return f"no sweep on the lab of {self.lab} yet"


def follow(options: WatchOptions) -> None:
    """Show a sweep until it is complete and has ended, until Ctrl-C, or until its reader leaves.

    Raises:
        StoreError: The file is not a results file.
    """
    if options.once:
        show_table(_shown(options, _look(options, None)), _WIDTH)
    elif is_terminal():
        _on_terminal(options)
    else:
        _in_lines(options)


def _on_terminal(options: WatchOptions) -> None:
    follower: Follower | None = None
    with redrawn() as live:
        while not has_lost_output():
            follower = _look(options, follower)
            live.update(_shown(options, follower), refresh=True)
            if follower is not None and follower.is_over:
                return
            time.sleep(_EVERY_S)


def _in_lines(options: WatchOptions) -> None:
    """Print a line when something changes, but not too often; the last line always."""
    follower: Follower | None = None
    printed, printed_s = "", 0.0
    while not has_lost_output():
        follower = _look(options, follower)
        is_over = follower is not None and follower.is_over
        text = (
            line(follower.snapshot, follower.left_s)
            if follower and follower.snapshot
            else options.waiting_for()
        )
        is_due = text != printed and time.monotonic() - printed_s >= _LINE_EVERY_S
        if is_over or is_due or not printed:
            show(text)
            printed, printed_s = text, time.monotonic()
        if is_over:
            return
        time.sleep(_EVERY_S)


def _look(options: WatchOptions, follower: Follower | None) -> Follower | None:
    """Follow the lab's current sweep, which may be another one than before."""
    path = options.find()
    if path is None:
        return None
    if follower is None or follower.results != path:
        follower = Follower(path)
    follower.look()
    return follower


def _shown(options: WatchOptions, follower: Follower | None) -> RenderableType:
    if follower is None or follower.snapshot is None:
        waiting = "" if options.once else "; waiting (press Ctrl-C to quit)"
        return words(options.waiting_for() + waiting)
    return panel(follower.snapshot, follower.left_s, None if options.once else "Ctrl-C quits")
