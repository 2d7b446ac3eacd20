"""The command line: all commands in one application."""

from collections.abc import Callable, Sequence
from typing import Any

import typer

from controller.cli import lab, planning, sweep
from controller.cli.running import run

__all__ = ["app", "main"]

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


def main(
    arguments: Sequence[str] | None = None,
    commands: Callable[..., Any] = app,
    program: str = "python -m controller",
) -> int:
    """Run the command line; returns the exit code.

    Args:
        commands: All commands, or one of them alone.
        program: Its name in help texts.
    """
    return run(commands, program, arguments, _AFTER_CTRL_C)
