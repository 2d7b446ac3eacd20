"""Filters that write commands as one line, to be pasted where the user stands.

Every command that a playbook recommends is made here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK_PROGRAM = "ansible-playbook"


def playbook_command(settings: Mapping[str, Any], playbook: str, inventory: Sequence[str] = ()) -> str:
    """The command that runs a playbook of ours.

    Args:
        settings: Its settings; JSON keeps their spaces.
        playbook: Its name, such as `report`.
        inventory: The inventory's sources, if the playbook needs one.
    """
    words = [_program(PLAYBOOK_PROGRAM)]
    for source in inventory:
        words += ["-i", _from_here(Path(source))]
    words.append(_from_here(ROOT / "ansible" / f"{playbook}.yml"))
    if settings:
        words += ["-e", json.dumps(settings, ensure_ascii=False)]
    return shlex.join(words)


def edgecut_command(words: Sequence[object]) -> str:
    """A command of `edgecut`."""
    return shlex.join([_program("edgecut"), *map(str, words)])


def same_command(playbook: str) -> str:
    """The command that the user typed; one that runs `playbook` where that is not known."""
    if typed := os.environ.get("EDGECUT_TYPED"):
        return typed
    if Path(sys.argv[0]).name != PLAYBOOK_PROGRAM:
        return playbook_command({}, playbook)
    return shlex.join([_program(PLAYBOOK_PROGRAM), *sys.argv[1:]])


def _program(name: str) -> str:
    """A program of this environment: by its name where that finds it, else by its path."""
    path = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if found and Path(found).parent.resolve() == path.parent.resolve() else _from_here(path)


def _from_here(path: Path) -> str:
    """A path relative to where the user stands, unless that leads far up."""
    relative = os.path.relpath(path, Path.cwd())
    return relative if relative.count("..") <= 1 else str(path)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Filters by their names in playbooks."""
        return {
            "playbook_command": playbook_command,
            "edgecut_command": edgecut_command,
            "same_command": same_command,
        }
