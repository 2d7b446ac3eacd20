"""Run a playbook of the repository, quietly: a line a step, and everything in a log."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from controller.errors import ControllerError
from worker.terminal import one_line, say

__all__ = [
    "ROOT",
    "Ended",
    "Playbook",
    "ansible",
    "environment",
    "inventory_path",
    "of_user",
    "run",
    "wait",
]

ROOT: Final = Path(__file__).resolve().parents[1]
"""The repository that this package was installed from."""

_BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130
_INTERRUPTED_ANSIBLE: Final = 99


@dataclass(frozen=True)
class Playbook:
    """A playbook and what the user gave for it.

    Attributes:
        name: Its file in ansible/, without `.yml`.
        title: The command's name, which begins each line.
        settings: Its settings by name; None is left out.
        inventory: By default that of ansible.cfg.
        extra: What `-e` of the command line has, `KEY=VALUE` or what Ansible takes.
        arguments: Further arguments of `ansible-playbook`.
    """

    name: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inventory: Path | None = None
    extra: Sequence[str] = ()
    arguments: Sequence[str] = ()

    def command(self) -> list[str]:
        """The command line.

        Raises:
            ControllerError: There is no playbook or no Ansible.
        """
        playbook = ROOT / "ansible" / f"{self.name}.yml"
        if not playbook.is_file():
            raise ControllerError(
                f"no {playbook}: install edgecut from a clone of its repository (make venv)"
            )
        words = [ansible("ansible-playbook"), str(playbook), *self.arguments]
        if self.inventory is not None:
            words += ["-i", str(inventory_path(self.inventory))]
        given = {name: value for name, value in self.settings.items() if value is not None}
        if given:
            words += ["-e", json.dumps(given)]
        for text in self.extra:
            words += ["-e", _quoted(text)]
        return words


@dataclass(frozen=True)
class Ended:
    """How a playbook ended.

    Attributes:
        code: 0, 2 after an error, 130 after Ctrl-C.
        facts: What it noted under `sweep_results`, `sweep_trouble` and the like.
    """

    code: int
    facts: Mapping[str, Any] = field(default_factory=dict)


def ansible(program: str) -> str:
    """The path of one of Ansible's programs, of the environment that edgecut is installed in.

    Raises:
        ControllerError: It is not installed.
    """
    path = Path(sys.executable).parent / program
    if not path.exists():
        raise ControllerError(f"no {path}; install Ansible beside edgecut: pip install 'edgecut[ansible]'")
    return str(path)


def of_user(path: Path | None) -> str | None:
    """A path that the user gave, relative to where the user stands."""
    return None if path is None else str(path.absolute())


def inventory_path(given: Path) -> Path:
    """An inventory, relative to where the user stands or to the repository.

    Raises:
        ControllerError: There is none.
    """
    for path in (given, ROOT / given):
        if path.exists():
            return path.absolute()
    raise ControllerError(f"no inventory {given}; `edgecut lab new NAME` makes inventory/NAME")


def environment() -> dict[str, str]:
    """The environment of Ansible's programs, wherever the user stands."""
    return os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def run(playbook: Playbook) -> Ended:
    """Run a playbook; errors are printed, a line each, then the log's path.

    Raises:
        ControllerError: It cannot be run.
    """
    command = playbook.command()
    log = _new_log(playbook.title)
    with tempfile.TemporaryDirectory() as folder:
        ended = Path(folder) / "ended.json"
        more = {
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_STDOUT_CALLBACK": "edgecut_steps",
            "EDGECUT_COMMAND": playbook.title,
            "EDGECUT_TYPED": shlex.join(["edgecut", *sys.argv[1:]]),
            "EDGECUT_ENDED": str(ended),
        }
        code, screen = wait(command, environment() | more, keeps_errors=True)
        outcome = json.loads(ended.read_text(encoding="utf-8")) if ended.exists() else {}
    codes, facts = outcome.get("codes", []), outcome.get("facts", {})
    if code == 0:
        return Ended(0, facts)
    is_interrupted = code == _INTERRUPTED_ANSIBLE or _INTERRUPTED in codes
    errors = outcome.get("errors") or ([] if is_interrupted else _last_words(screen, code))
    for text in errors:
        say(*_as_error(text, is_interrupted=is_interrupted))
    say(f"details: {log}")
    return Ended(_INTERRUPTED if is_interrupted else _BAD_INPUT, facts)


def _quoted(text: str) -> str:
    """`KEY=VALUE` as JSON, since Ansible would end the value at a space."""
    key, separator, value = text.partition("=")
    if not separator or text[0] in "@{[" or " " in key or value[:1] in "'\"":
        return text
    return json.dumps({key: value})


def _new_log(title: str) -> Path:
    folder = ROOT / ".edgecut" / "log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ControllerError(
            f"{folder}: cannot be made ({error.strerror}), and the log goes there"
        ) from error
    return folder / f"{datetime.now():%Y-%m-%d-%H%M%S}-{title.replace(' ', '-')}.log"


def wait(
    command: Sequence[str], variables: Mapping[str, str] | None = None, *, keeps_errors: bool = False
) -> tuple[int, str]:
    """Run a command, which Ctrl-C and `kill` let end by itself.

    Args:
        variables: Its environment; by default this one.
        keeps_errors: Return its standard error rather than show it.

    Returns:
        Its exit code and its standard error.
    """
    signals: SimpleQueue[int] = SimpleQueue()
    # The terminal sends Ctrl-C to the command too, so it is not passed on.
    of_ctrl_c = signal.signal(signal.SIGINT, lambda number, _: None)
    of_kill = signal.signal(signal.SIGTERM, lambda number, _: signals.put(number))
    stderr = subprocess.PIPE if keeps_errors else None
    try:
        with subprocess.Popen(command, env=variables, stderr=stderr, text=True) as process:

            def pass_on() -> None:
                while signals.get():
                    process.send_signal(signal.SIGINT)

            threading.Thread(target=pass_on, daemon=True).start()
            _, screen = process.communicate()
            signals.put(0)
        return process.returncode, screen or ""
    finally:
        signal.signal(signal.SIGINT, of_ctrl_c)
        signal.signal(signal.SIGTERM, of_kill)


def _last_words(screen: str, code: int) -> list[str]:
    """What Ansible itself says of a playbook that it did not run."""
    words = screen.partition("[ERROR]: ")[2].partition("\n\n")[0].partition("\nOrigin: ")[0]
    return [one_line(words) or f"ansible-playbook ended with exit code {code}"]


def _as_error(text: str, *, is_interrupted: bool) -> list[str]:
    """One line; a table of faults stays a table."""
    if is_interrupted and text.startswith("interrupted"):
        return [text]
    lines = text.splitlines()
    return [f"error: {lines[0]}", *lines[1:]] if len(lines) > 2 else [f"error: {one_line(text)}"]
