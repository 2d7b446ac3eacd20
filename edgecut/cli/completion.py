"""Completion for shells: the tree of all commands, of which only the one being typed is loaded."""

from typing import Any

from typer._click.shell_completion import CompletionItem
from typer._completion_classes import completion_init
from typer.completion import shell_complete
from typer.core import TyperGroup

from edgecut.cli.loading import load
from edgecut.cli.table import COMMANDS, SUMMARIES

__all__ = ["complete"]


class _Tree(TyperGroup):
    """Commands by their words; `prefix` is the first one of two."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__(name=prefix or "edgecut", rich_markup_mode=None)
        self._start = f"{prefix} " if prefix else ""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if not self._start and cmd_name in SUMMARIES:
            return _Tree(cmd_name)
        command = COMMANDS.get(self._start + cmd_name)
        return load(command)[1] if command else None

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """The next words; their commands are not loaded."""
        lines = {
            name.removeprefix(self._start).partition(" ")[0]: command.line
            for name, command in COMMANDS.items()
            if name.startswith(self._start)
        }
        return [
            CompletionItem(word, help=line if self._start else SUMMARIES.get(word, line))
            for word, line in lines.items()
            if word.startswith(incomplete)
        ]


def complete(variable: str, instruction: str) -> int:
    """Answer a shell; the exit code.

    Args:
        variable: The environment variable with which it asks.
        instruction: The value of that variable, such as `complete_bash`.
    """
    completion_init()
    return shell_complete(_Tree(), {}, "edgecut", variable, instruction)
