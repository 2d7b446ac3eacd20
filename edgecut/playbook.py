"""Run a playbook of the repository, quietly: a line a step, and everything in a log."""

import json
import locale
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    "finish",
    "inventory_path",
    "is_interrupted",
    "last_words",
    "of_user",
    "run",
    "wait",
]

ROOT: Final = Path(__file__).resolve().parents[1]
"""The repository that this package was installed from."""

_MOST_LOGS: Final = 100
_BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130
_INTERRUPTED_ANSIBLE: Final = 99
_UTF8: Final = ("C.UTF-8", "en_US.UTF-8")
_SECRET: Final = re.compile(r"(\w*(?:pass|secret|token|key)\w*[\"']?\s*[=:]).*", re.IGNORECASE | re.DOTALL)


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
    """The environment of Ansible's programs, wherever the user stands and whatever the locale is."""
    # Unbuffered, since Ansible does not flush: in a pipe a step would be shown long after it.
    variables = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONUNBUFFERED": "1"}
    if not _is_utf8(""):
        variables["LC_ALL"] = next(filter(_is_utf8, _UTF8), _UTF8[0])
    return variables


def _is_utf8(name: str) -> bool:
    """Whether a locale ("": the environment's) is installed and UTF-8, since Ansible starts in no other."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
        return (locale.getlocale()[1] or "").lower() in ("utf-8", "utf8")
    except (locale.Error, ValueError):
        return False
    finally:
        locale.setlocale(locale.LC_ALL, before)


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
            "EDGECUT_TYPED": shlex.join(["edgecut", *_without_secrets(sys.argv[1:])]),
            "EDGECUT_ENDED": str(ended),
        }
        code, screen = wait(command, environment() | more, keeps_errors=True)
        outcome = json.loads(ended.read_text(encoding="utf-8")) if ended.exists() else {}
    codes, facts = outcome.get("codes", []), outcome.get("facts", {})
    has_details = log.exists() and log.stat().st_size > 0
    if not has_details:
        log.unlink(missing_ok=True)
    if code == 0:
        return Ended(0, facts)
    by_ctrl_c = is_interrupted(code) or _INTERRUPTED in codes
    errors = outcome.get("errors") or ([] if by_ctrl_c else [last_words(screen, code)])
    for text in errors:
        say(*_as_error(text, by_ctrl_c=by_ctrl_c))
    if by_ctrl_c and not any("interrupted" in text for text in errors):
        say("interrupted; run the same command to go on")
    if has_details:
        say(f"details: {log}")
    return Ended(_INTERRUPTED if by_ctrl_c else _BAD_INPUT, facts)


def is_interrupted(code: int) -> bool:
    """Whether Ctrl-C or `kill` ended Ansible, or a script that runs it."""
    return code in (_INTERRUPTED, _INTERRUPTED_ANSIBLE, -signal.SIGINT, -signal.SIGTERM)


def _quoted(text: str) -> str:
    """`KEY=VALUE` as JSON, since Ansible would end the value at a space."""
    key, separator, value = text.partition("=")
    if not separator or text[0] in "@{[" or " " in key or value[:1] in "'\"":
        return text
    return json.dumps({key: value})


def _without_secrets(words: Sequence[str]) -> list[str]:
    """The words that the user typed, fit to be shown: without the values of passwords and keys after -e."""
    before = ["", *words]
    return [
        _SECRET.sub(r"\1***", word) if previous == "-e" or word.startswith("-e") else word
        for previous, word in zip(before, words, strict=False)
    ]


def _new_log(title: str) -> Path:
    """A new file that only the user can read: Ansible may print what no one else is to see."""
    folder = ROOT / ".edgecut" / "log"
    name = f"{datetime.now():%Y-%m-%d-%H%M%S}-{os.getpid()}-{title.replace(' ', '-')}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / name).touch(0o600)
        # Their names begin with the time, so the last are the newest.
        for old in sorted(folder.glob("*.log"))[:-_MOST_LOGS]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise ControllerError(
            f"{folder}: cannot be written ({error.strerror}), and the log goes there; make it yours"
        ) from error
    return folder / name


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
    stderr = subprocess.PIPE if keeps_errors else None
    with (
        _holding_signals() as signals,
        subprocess.Popen(command, env=variables, stderr=stderr, text=True, errors="replace") as process,
    ):
        return _ended(process, signals)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a command that runs already, as `wait` does; returns the same."""
    with _holding_signals() as signals:
        return _ended(process, signals)


@contextmanager
def _holding_signals() -> "Iterator[SimpleQueue[int]]":
    """What is to be passed on to a command, since neither Ctrl-C nor `kill` ends this process meanwhile."""
    signals: SimpleQueue[int] = SimpleQueue()
    # The terminal sends Ctrl-C to the command too, so it is not passed on.
    of_ctrl_c = signal.signal(signal.SIGINT, lambda number, _: None)
    of_kill = signal.signal(signal.SIGTERM, lambda number, _: signals.put(number))
    try:
        yield signals
    finally:
        signal.signal(signal.SIGINT, of_ctrl_c)
        signal.signal(signal.SIGTERM, of_kill)


def _ended(process: "subprocess.Popen[str]", signals: "SimpleQueue[int]") -> tuple[int, str]:
    def pass_on() -> None:
        while signals.get():
            process.send_signal(signal.SIGINT)

    threading.Thread(target=pass_on, daemon=True).start()
    _, screen = process.communicate()
    signals.put(0)
    return process.returncode, screen or ""


def last_words(screen: str, code: int, program: str = "ansible-playbook") -> str:
    """What Ansible itself says on standard error of what it did not run."""
    words = screen.partition("[ERROR]: ")[2].partition("\n\n")[0].partition("\nOrigin: ")[0]
    # Before its displays work, Ansible has no brackets.
    last = "".join(screen.strip().splitlines()[-1:]).removeprefix("ERROR: ")
    return one_line(words) or one_line(last) or f"{program} ended with exit code {code}"


def _as_error(text: str, *, by_ctrl_c: bool) -> list[str]:
    """A line, or several as they are: a table of faults stays a table."""
    if by_ctrl_c and text.startswith("interrupted"):
        return [text]
    lines = text.splitlines()
    return [f"error: {lines[0]}", *lines[1:]] if len(lines) > 1 else [f"error: {one_line(text)}"]
