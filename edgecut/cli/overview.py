"""What `edgecut --help` and `edgecut lab --help` print."""

from collections.abc import Iterator

from edgecut.cli.table import COMMANDS, GROUPS, SUMMARIES

__all__ = ["overview"]

_PURPOSE = "Where should this network be cut, on these devices, over this network?"


def overview(prefix: str = "") -> list[str]:
    """List the commands, a line each.

    Args:
        prefix: The first word of commands of two words; empty for all commands.
    """
    if prefix:
        rows = [
            (name.removeprefix(f"{prefix} "), each.line)
            for name, each in COMMANDS.items()
            if name.startswith(f"{prefix} ")
        ]
        return [f"Usage: edgecut {prefix} COMMAND [OPTIONS]", "", *_rows(rows)]
    lines = ["Usage: edgecut COMMAND [OPTIONS]", f"  {_PURPOSE}", ""]
    for group in GROUPS:
        lines += [f"{group}:", *_rows(list(_of_group(group)))]
    return [*lines, "", "`edgecut COMMAND --help` describes a command; docs/usage.md its use."]


def _of_group(group: str) -> Iterator[tuple[str, str]]:
    """Names and lines, where commands of two words share one line."""
    seen: set[str] = set()
    for command in GROUPS[group]:
        first = command.name.partition(" ")[0]
        if first not in seen:
            seen.add(first)
            yield first, SUMMARIES[first] + _words_of(first) if first in SUMMARIES else command.line


def _words_of(first: str) -> str:
    return f": {', '.join(name.partition(' ')[2] for name in COMMANDS if name.startswith(f'{first} '))}"


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{max(width, 11)}} {line}" for name, line in rows]
