"""From the words after `edgecut` to the command, which is loaded only then."""

import difflib
import os
import sys
from collections.abc import Iterable, Sequence

from edgecut.cli.overview import overview
from edgecut.cli.table import COMMANDS, SUMMARIES, Command
from worker import terminal
from worker.terminal import one_line, say, show

__all__ = ["COMPLETE", "main"]

COMPLETE = "_EDGECUT_COMPLETE"
"""The environment variable with which a shell asks for completions."""

_BAD_INPUT = 2
_INTERRUPTED = 130
_HELP = ("--help", "-h")
_OURS = {"analysis", "controller", "edgecut", "exporter", "worker"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `edgecut`; returns the exit code, which is that of the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if COMPLETE in os.environ:
            from edgecut.cli.completion import complete

            return complete(COMPLETE, os.environ[COMPLETE])
        prefix, rest = (given[0], given[1:]) if given and given[0] in SUMMARIES else ("", given)
        if not rest or rest[0] in _HELP:
            return terminal.run(lambda: _show_overview(prefix))
        name = f"{prefix} {rest[0]}".strip()
        if name == "--version":
            name = "version"
        if name not in COMMANDS:
            return terminal.run(lambda: _refuse(_unknown(name)))
        return _run(COMMANDS[name], rest[1:])
    except KeyboardInterrupt:
        # At Ctrl-C while it starts there is nothing to say.
        return _INTERRUPTED


def _run(command: Command, arguments: Sequence[str]) -> int:
    try:
        from edgecut.cli.loading import run

        return run(command, arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        text = (
            f"edgecut {command.name} needs {missing}, which is not installed: "
            f"pip install 'edgecut[{command.package.extra}]'"
        )
        return terminal.run(lambda: _refuse(text))


def _show_overview(prefix: str) -> int:
    show(*overview(prefix))
    return 0


def _unknown(name: str) -> str:
    prefix, _, _ = name.rpartition(" ")
    text = f"no command '{name}'"
    known: Iterable[str] = (each for each in [*COMMANDS, *SUMMARIES] if each.startswith(prefix))
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"see edgecut {prefix} --help".replace("  ", " ")
    return f"{text}; {advice}"


def _refuse(text: str) -> int:
    say(f"error: {one_line(text)}")
    return _BAD_INPUT
