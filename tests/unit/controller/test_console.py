"""A sweep's screen on a terminal: hostile text reaches it as text, and SIGHUP does not end the work."""

import contextlib
import os
import pty
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import RenderableType

from controller.console import Screen, plain_table, redrawn, show_table, words
from controller.live.snapshot import SweepSnapshot
from controller.live.view import panel
from controller.results import Cell, Trial

HOSTILE = "[red]a[/]\x1b]0;owned\x07\x1b[2J\r\n\u202eb"
SHOWN = r"[red]a[/]\x1b]0;owned\x07\x1b[2J\r\n\u202eb"
OURS = re.compile(r"\x1b\[[\d;]*m|\x1b\[\?25[lh]|\x1b\[\d*[AK]")
"""Rich's colours, cursor and erased lines."""


@contextlib.contextmanager
def terminal(stream: str, said: list[str]) -> Iterator[None]:
    """Have a terminal in place of `stdout` or `stderr`, and add what it got."""
    redirect = contextlib.redirect_stdout if stream == "stdout" else contextlib.redirect_stderr
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    with os.fdopen(slave, "w", encoding="utf-8") as file, redirect(file):
        yield
        file.flush()
        with contextlib.suppress(BlockingIOError):
            got = b""
            while part := os.read(master, 4096):
                got += part
        said.append(got.decode())
    os.close(master)


def assert_harmless(text: str) -> None:
    plain = OURS.sub("", text)
    assert all(char.isprintable() or char in "\r\n" for char in plain), ascii(plain)
    assert "owned" in plain
    assert "\\r\\n" in plain or "…" in plain


class Panel:
    """A view of a sweep by that name."""

    def step(self, part: str, done: int, total: int, doing: str, left_s: float | None) -> None: ...

    def running(self, cell: Cell, number: int) -> None: ...

    def finished(self, cell: Cell, trial: Trial) -> None: ...

    def __rich__(self) -> RenderableType:
        return panel(SweepSnapshot(HOSTILE), 1.0, "Ctrl-C quits")


@pytest.mark.parametrize(("noted", "times"), [(None, 1), (Panel(), 2)], ids=["bar", "panel"])
def test_a_sweep_shows_hostile_text_as_text(
    noted: Panel | None, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    said: list[str] = []
    with terminal("stderr", said), Screen(noted=noted) as screen:
        screen.step(HOSTILE, 1, 2, HOSTILE, 1.0)
        screen.say(f"a line {HOSTILE}")
    assert_harmless(said[0])
    assert OURS.sub("", said[0]).count(SHOWN) >= times


def test_tables_and_views_show_hostile_text_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    said: list[str] = []
    with terminal("stdout", said):
        table = plain_table(HOSTILE, HOSTILE, title=HOSTILE)
        table.add_row(HOSTILE, words((HOSTILE, "bold")))
        show_table(table)
        with redrawn() as live:
            live.update(words(HOSTILE), refresh=True)
    assert_harmless(said[0])
    assert OURS.sub("", said[0]).count(SHOWN) >= 6


def test_a_terminal_that_hangs_up_does_not_end_the_work() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with Screen():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_progress_file_has_a_line_for_each_step(tmp_path: Path) -> None:
    with Screen(tmp_path / "progress") as screen:
        screen.say(HOSTILE)
        screen.step("ideal", 1, 1, "done")
    assert (tmp_path / "progress").read_text() == f"{SHOWN}\nideal: 1/1  done\n"
