"""The commands that are edgecut's own: those that run playbooks, `lab new`, `demo` and `version`."""

from collections.abc import Callable, Sequence
from typing import Any

import typer

from controller.cli.running import run
from edgecut.cli import new_lab, playbooks, version

__all__ = ["app", "main"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
for _group in (new_lab.app, playbooks.app, version.app):
    app.add_typer(_group)


def main(
    arguments: Sequence[str] | None = None,
    commands: Callable[..., Any] = app,
    program: str = "edgecut",
) -> int:
    """Run one of the commands; returns the exit code.

    Args:
        commands: All commands, or one of them alone.
        program: Its name in help texts.
    """
    return run(commands, program, arguments)
