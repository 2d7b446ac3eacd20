"""`controller watch`: follow a sweep from another terminal."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from controller.live.follower import Follower
from controller.live.live_file import swept_on
from controller.live.view import line, panel

__all__ = ["Watched", "watch"]

_EVERY_S = 1.0
_LINE_EVERY_S = 5.0
_WIDTH = 100


@dataclass(frozen=True)
class Watched:
    """`controller watch` as it was typed: a results file, or a lab and whatever is swept on it."""

    results: Path | None
    lab_file: Path
    once: bool = False

    def find(self) -> Path | None:
        """The results file to follow; None while there is none."""
        return self.results or swept_on(self.lab_file)

    def waiting_for(self) -> str:
        """What is not there yet."""
        if self.results is not None:
            return f"no sweep into {self.results} yet"
        return f"no sweep on the lab of {self.lab_file} yet"


def watch(asked: Watched) -> None:
    """Show a sweep until all that it wants is there and it has ended, or Ctrl-C.

    Raises:
        StoreError: It is not a results file.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if asked.once:
        Console(
            highlight=False, markup=False, emoji=False, width=None if console.is_terminal else _WIDTH
        ).print(_once(asked))
    elif console.is_terminal:
        _on_terminal(asked, console)
    else:
        _in_lines(asked, console)


def _once(asked: Watched) -> RenderableType:
    follower = _look(asked, None)
    if follower is None or follower.snapshot is None:
        return Text(asked.waiting_for())
    return panel(follower.snapshot, follower.left_s)


def _on_terminal(asked: Watched, console: Console) -> None:
    follower: Follower | None = None
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            follower = _look(asked, follower)
            live.update(_shown(asked, follower), refresh=True)
            if follower is not None and follower.is_over:
                return
            time.sleep(_EVERY_S)


def _in_lines(asked: Watched, console: Console) -> None:
    """A line when something new is to be told, but not too often; the last one always."""
    follower: Follower | None = None
    told, told_s = "", 0.0
    while True:
        follower = _look(asked, follower)
        is_over = follower is not None and follower.is_over
        text = (
            line(follower.snapshot, follower.left_s)
            if follower and follower.snapshot
            else asked.waiting_for()
        )
        if is_over or (text != told and time.monotonic() - told_s >= _LINE_EVERY_S) or not told:
            console.print(text, markup=False)
            sys.stdout.flush()
            told, told_s = text, time.monotonic()
        if is_over:
            return
        time.sleep(_EVERY_S)


def _look(asked: Watched, follower: Follower | None) -> Follower | None:
    """Of a lab, the sweep may be another one than before."""
    path = asked.find()
    if path is None:
        return None
    if follower is None or follower.results != path:
        follower = Follower(path)
    follower.look()
    return follower


def _shown(asked: Watched, follower: Follower | None) -> RenderableType:
    if follower is None or follower.snapshot is None:
        return Text(f"{asked.waiting_for()}; waiting (Ctrl-C ends)")
    return panel(follower.snapshot, follower.left_s, "Ctrl-C ends")
