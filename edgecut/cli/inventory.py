"""The option `-i`: an inventory names the lab file that `deploy` wrote for it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from controller.errors import LabError
from controller.options import LAB
from edgecut.cli.table import Command
from edgecut.playbook import ROOT, ansible, environment, inventory_path, last_words

__all__ = ["lab_of", "with_lab_file"]


class _Lab(NamedTuple):
    """What an inventory says of its lab.

    Attributes:
        file: The lab file.
        enter: What stands before a command that talks to its devices; empty for most labs.
    """

    file: Path
    enter: Sequence[str]


def with_lab_file(command: Command, arguments: Sequence[str]) -> list[str]:
    """Put `--lab FILE` in place of `-i INVENTORY`; on a lab with a network of its own, begin again inside it.

    Without either, the lab is the local one of the repository, wherever the user stands.

    Raises:
        LabError: The inventory does not say where the lab file is, or a lab file is named besides.
    """
    inventory, rest = _taken_from(arguments)
    if inventory is None:
        has_lab = _has_option_lab(rest) or "EDGECUT_LAB" in os.environ or LAB.exists()
        return rest if has_lab else [*rest, "--lab", str(ROOT / LAB)]
    if _has_option_lab(rest):
        raise LabError(f"-i {inventory} and --lab both name a lab; give one of them")
    lab = lab_of(inventory)
    given = [*rest, "--lab", str(lab.file)]
    if lab.enter:
        if not Path(lab.enter[0]).exists():
            raise LabError(
                f"the lab of {inventory} does not exist; make it: "
                f"{shlex.join(['edgecut', 'lab', 'up', '-i', str(inventory)])}"
            )
        # -P: import nothing from the working directory, where the user may have a worker.py.
        _become([*lab.enter, sys.executable, "-P", "-m", "edgecut", *command.name.split(), *given])
    return given


def _has_option_lab(arguments: Sequence[str]) -> bool:
    return any(word.partition("=")[0] == "--lab" for word in arguments)


def _become(command: list[str]) -> NoReturn:
    """Let this process be another command."""
    sys.stdout.flush()
    os.execv(command[0], command)


def _taken_from(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Split `-i INVENTORY` off a command's arguments.

    Raises:
        LabError: The option has no value.
    """
    inventory, rest, words = None, [], iter(arguments)
    for word in words:
        if word in ("-i", "--inventory"):
            value = next(words, "")
        elif word.startswith("--inventory="):
            value = word.partition("=")[2]
        elif word.startswith("-i"):
            value = word.removeprefix("-i").removeprefix("=")
        else:
            rest.append(word)
            continue
        if not value:
            raise LabError(f"{word}: name an inventory, as in -i inventory/mylab")
        inventory = Path(value)
    return inventory, rest


def lab_of(inventory: Path) -> _Lab:
    """Ask Ansible for the lab file of an inventory.

    Raises:
        LabError: There is no such inventory, Ansible cannot read it, or it has no devices or no lab_name.
        ControllerError: Ansible is not installed.
    """
    plain = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    asked = subprocess.run(
        [
            ansible("ansible"),
            "devices[0]",
            *("-i", str(inventory_path(inventory)), "--playbook-dir", str(ROOT / "ansible")),
            *("-m", "ansible.builtin.debug", "-a", "msg={{ [lab_file, controller_prefix] | to_json }}"),
        ],
        env=environment() | plain,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if asked.returncode:
        raise LabError(
            f"{inventory} cannot be read: {last_words(asked.stderr, asked.returncode, 'ansible')}; "
            f"see {shlex.join(['edgecut', 'lab', 'check', '-i', str(inventory)])}"
        )
    try:
        file, enter = json.loads(json.loads(asked.stdout.partition("=>")[2])["msg"])
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{inventory} names no lab: it needs a group `devices` and a lab_name in group_vars/all.yml; "
            f"see {shlex.join(['edgecut', 'lab', 'check', '-i', str(inventory)])}"
        ) from error
    return _Lab(Path(file), enter)
