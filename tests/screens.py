"""Standard streams that are not what a program hopes for: closed, full, without a reader, ASCII, vanished."""

import contextlib
import os
import pty
import tempfile
from collections.abc import Callable, Iterator
from typing import TextIO

__all__ = ["LOST", "SCREENS", "codes", "replaced"]


@contextlib.contextmanager
def _closed() -> Iterator[None]:
    """What Python makes of a stream that is closed when it starts."""
    yield None


@contextlib.contextmanager
def _full() -> Iterator[TextIO]:
    with open("/dev/full", "w", encoding="utf-8") as file:  # noqa: PTH123
        yield file


@contextlib.contextmanager
def _without_reader() -> Iterator[TextIO]:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        yield file


@contextlib.contextmanager
def _ascii() -> Iterator[TextIO]:
    with tempfile.TemporaryFile("w", encoding="ascii", errors="strict") as file:
        yield file


@contextlib.contextmanager
def _vanished_terminal() -> Iterator[TextIO]:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        os.close(master)
        yield file


SCREENS: dict[str, Callable[[], contextlib.AbstractContextManager[TextIO | None]]] = {
    "closed": _closed,
    "full": _full,
    "without a reader": _without_reader,
    "ascii": _ascii,
    "vanished terminal": _vanished_terminal,
}

LOST = {"closed": 2, "full": 2, "without a reader": 141, "ascii": 0, "vanished terminal": 2}
"""The exit code of a command that otherwise succeeds and prints to such a standard output."""


def codes(stream: str) -> list[tuple[str, str, int]]:
    """Each screen as this stream, with the exit code of a command that otherwise succeeds."""
    return [(stream, kind, LOST[kind] if stream == "stdout" else 0) for kind in SCREENS]


@contextlib.contextmanager
def replaced(stream: str, kind: str) -> Iterator[None]:
    """Have such a screen in place of `stdout` or `stderr`."""
    redirect = contextlib.redirect_stdout if stream == "stdout" else contextlib.redirect_stderr
    with SCREENS[kind]() as screen, redirect(screen):
        yield
