"""The terminal: foreign text is escaped, and a stream that cannot be written is given up.

Standard output carries what a command was asked for; standard error is a screen. Only this module and those
built on it print.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final, TextIO

__all__ = ["GivingUp", "has_lost_output", "one_line", "run", "say", "show", "visible"]

_LOST: Final = 2
_READER_LEFT: Final = 141
"""What a shell reports of a program that SIGPIPE ended, which is how most programs in `| head` end."""


def visible(text: str) -> str:
    """Return text with escapes in place of what acts on a terminal, such as `\\x1b`; newlines too."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """Return foreign text as one line without control characters, safe for a terminal."""
    return visible(" ".join(text.split()))


def show(*lines: str) -> None:
    """Print lines to standard output; a newline within a line is shown as `\\n`."""
    _print(lines, sys.stdout)


def say(*lines: str) -> None:
    """Print lines to standard error, in the same way."""
    _print(lines, sys.stderr)


def _print(lines: tuple[str, ...], stream: TextIO) -> None:
    if lines:
        print(*map(visible, lines), sep="\n", file=stream, flush=True)


class GivingUp(io.TextIOBase):
    """A text stream whose first failure is its last: it drops what comes after, and never raises.

    Attributes:
        lost: Why it was given up; None as long as it can be written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` is None where it was closed before Python started."""
        self._stream = stream
        self.lost: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        self._attempt(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._attempt(lambda stream: stream.flush())

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.lost is None and self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # an attribute there
        return getattr(self._stream, "encoding", None) or "utf-8"

    def _attempt(self, use: Callable[[TextIO], object]) -> None:
        if self.lost is not None:
            return
        try:
            if self._stream is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            use(self._stream)
        except OSError as error:
            self._give_up(error)
        except ValueError as error:  # what Python says of a closed file
            self._give_up(OSError(errno.EBADF, str(error)))

    def _give_up(self, error: OSError) -> None:
        self.lost = error
        # Python writes what is in the stream's buffer again when it exits.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self.fileno())


def has_lost_output() -> bool:
    """Whether standard output was given up."""
    return getattr(sys.stdout, "lost", None) is not None


def run(command: Callable[[], int]) -> int:
    """Run a command whose standard streams may fail.

    Returns:
        The command's exit code. Where that is 0 but standard output was lost, 141 if its reader left, else
        2 after a line.
    """
    with _giving_up() as output:
        code = command()
        output.flush()
        if code or output.lost is None:
            return code
        if output.lost.errno == errno.EPIPE:
            return _READER_LEFT
        say(f"error: standard output cannot be written ({output.lost.strerror or output.lost})")
        return _LOST


@contextlib.contextmanager
def _giving_up() -> Iterator[GivingUp]:
    _open_closed()
    before = sys.stdout, sys.stderr
    output, screen = GivingUp(sys.stdout), GivingUp(sys.stderr)
    sys.stdout, sys.stderr = output, screen
    try:
        yield output
    finally:
        output.flush()
        screen.flush()
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open standard streams that are closed, lest a file or a connection gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
