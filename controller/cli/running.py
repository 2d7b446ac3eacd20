"""Run an application: its errors become one line each, and its terminal may go away."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer

from controller.errors import ControllerError, one_line
from controller.sweep.outcome import INTERRUPTED
from exporter.bundle import BundleError
from worker import terminal
from worker.terminal import say

__all__ = ["CommandEnded", "run"]


class CommandEnded(Exception):  # noqa: N818 -- no error: it has been told
    """What a command ran has ended with an exit code, and has said why.

    Attributes:
        code: The exit code, which becomes the command's own.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run(
    commands: Callable[..., Any],
    name: str,
    arguments: Sequence[str] | None = None,
    after_ctrl_c: Mapping[str, str] | None = None,
) -> int:
    """Run an application; an error becomes one line and exit code 2, and a terminal may go away.

    Args:
        commands: The application, or one of its commands.
        name: The program's name in help texts.
        after_ctrl_c: By command, what an interrupted run has saved and how to continue.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return terminal.run(lambda: _run(commands, name, given, after_ctrl_c or {}))


def _run(
    commands: Callable[..., Any], name: str, given: Sequence[str], after_ctrl_c: Mapping[str, str]
) -> int:
    try:
        code = commands(given, prog_name=name, standalone_mode=False)
    except CommandEnded as ended:
        return ended.code
    except (ControllerError, BundleError) as error:
        return _refuse(str(error))
    except typer.TyperException as error:
        return _refuse(error.format_message())
    except OSError as error:  # an impossible path, a full disk
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except typer.Abort:  # Ctrl-C, or the end of the input, at a question
        code = INTERRUPTED
    # typer turns Ctrl-C into this code.
    if code == INTERRUPTED:
        words = (*name.split(), *given)
        advice = next((text for word, text in after_ctrl_c.items() if word in words), None)
        say(f"interrupted; {advice}" if advice else "interrupted")
    return int(code or 0)


def _refuse(text: str) -> int:
    say(f"error: {one_line(text)}")
    return 2
