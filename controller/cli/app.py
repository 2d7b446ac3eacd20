"""The command line: all commands in one application, and their errors as one line each."""

import sys
from collections.abc import Mapping, Sequence

import typer

from controller.cli import lab, planning, sweep
from controller.console import say
from controller.errors import ControllerError, one_line
from controller.sweep.outcome import INTERRUPTED
from exporter.bundle import BundleError
from worker import terminal

__all__ = ["app", "main", "run"]

app = typer.Typer(
    help="Drive a lab's workers: show its state, run a cell, sweep an experiment, plan a split.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
for _group in (lab.app, sweep.app, planning.app):
    app.add_typer(_group)

_AFTER_CTRL_C = {
    "sweep": "finished trials are saved; run the same command to resume",
    "selfcheck": "the verdict before stays; run the same command to start again",
    "profile": "no device profile was written; run the same command to start again",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(app, "python -m controller", arguments, _AFTER_CTRL_C)


def run(
    commands: typer.Typer,
    name: str,
    arguments: Sequence[str] | None = None,
    after_ctrl_c: Mapping[str, str] | None = None,
) -> int:
    """Run an application; an error becomes one line and exit code 2, and a terminal may go away.

    Args:
        name: The program's name in help texts.
        after_ctrl_c: By command, what an interrupted run has saved and how to continue.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return terminal.run(lambda: _run(commands, name, given, after_ctrl_c or {}))


def _run(commands: typer.Typer, name: str, given: Sequence[str], after_ctrl_c: Mapping[str, str]) -> int:
    try:
        code = commands(given, prog_name=name, standalone_mode=False)
    except (ControllerError, BundleError) as error:
        return _refuse(str(error))
    except typer.TyperException as error:
        return _refuse(error.format_message())
    except OSError as error:  # an impossible path, a full disk
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    # typer turns Ctrl-C into this code.
    if code == INTERRUPTED:
        advice = next((text for word, text in after_ctrl_c.items() if word in given), None)
        say(f"interrupted; {advice}" if advice else "interrupted")
    return int(code or 0)


def _refuse(text: str) -> int:
    say(f"error: {one_line(text)}")
    return 2
