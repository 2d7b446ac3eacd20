"""Run one of edgecut's commands, show its progress, and fail with its one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

DOCUMENTATION = """
    module: edgecut
    short_description: Run one of edgecut's commands
    description:
      - With O(package) it runs C(python -m PACKAGE COMMAND) on the machine that runs the playbooks, in the
        repository, and shows what the command prints on standard error while it runs. The commands of
        C(controller) run under C(controller_prefix).
      - Without O(package) it runs O(command) on the device, and shows nothing.
      - A command that fails ends the task with the line C(error) or C(interrupted) that it printed.
      - A command that prints C(changed), C(unchanged), C(started) or the like sets RV(ignore:changed).
      - In check mode a command is skipped unless it O(reads).
      - Ctrl-C goes to the command (see the callback plugin C(edgecut_interrupt)).
    options:
      package:
        description: One of edgecut's packages, or a package in O(chdir).
        type: str
      command:
        description: The words of the command.
        type: list
        elements: str
        required: true
      chdir:
        description: The working directory; by default the repository, or the home directory on a device.
        type: path
      reads:
        description: The command changes nothing; it runs in check mode too, and RV(ignore:changed) is false.
        type: bool
        default: false
      show:
        description: Show standard output too.
        type: bool
        default: false
      otherwise:
        description: The message if the command fails and prints nothing.
        type: str
"""

RETURN = """
    rc:
        description: The exit code.
        type: int
        returned: when the command ran
    msg:
        description: The error line, or the last line on standard error.
        type: str
        returned: when the command ran
    stdout:
        description: Standard output.
        type: str
        returned: success
    json:
        description: Standard output, parsed.
        type: raw
        returned: success, if it is JSON
"""

_ROOT = Path(__file__).resolve().parents[2]
_REASONS = ("error:", "interrupted")
# The words with which a command reports whether it changed the state.
_CHANGES = {
    **dict.fromkeys(("changed", "started", "restarted", "stopped"), True),
    **dict.fromkeys(("unchanged", "already running", "not running"), False),
}

_SPECIFICATION = yaml.safe_load(DOCUMENTATION)["options"]


class Finished(NamedTuple):
    """How a command finished."""

    rc: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str], chdir: Path, show: Callable[[str], None], *, show_stdout: bool = False
) -> Finished:
    """Run a command here; `show` gets each line as it is printed, except the line with the error.

    Raises:
        OSError: The command cannot be started.
    """

    def lines(stream: Iterable[str], *, shown: bool) -> Iterator[str]:
        for line in stream:
            if shown and line.strip() and not line.startswith(_REASONS):
                show(line.rstrip())
            yield line

    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=chdir,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None
        stdout: list[str] = []
        reader = threading.Thread(target=lambda: stdout.extend(lines(out, shown=show_stdout)))
        reader.start()
        stderr = "".join(lines(err, shown=True))
        reader.join()
    return Finished(process.returncode, "".join(stdout), stderr)


def reason(finished: Finished, otherwise: str | None = None) -> str:
    """The reason of a failure: the error line, else the last line of standard error, else standard output."""
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    if lines:
        return ([line for line in lines if line.startswith(_REASONS)] or lines)[-1]
    return finished.stdout.strip() or otherwise or f"no output, exit code {finished.rc}"


def outcome(finished: Finished, otherwise: str | None = None) -> dict[str, Any]:
    """The task's result. A failure returns only its one line, since Ansible prints all of it."""
    if finished.rc:
        return {"failed": True, "rc": finished.rc, "msg": reason(finished, otherwise)}
    result = {"rc": finished.rc, "stdout": finished.stdout}
    result["msg"] = (finished.stderr.splitlines() or [""])[-1].strip()
    if (word := finished.stdout.strip()) in _CHANGES:
        result["changed"] = _CHANGES[word]
    try:
        return result | {"json": json.loads(finished.stdout)}
    except ValueError:
        return result


class ActionModule(ActionBase):  # type: ignore[misc]  # the base class is not typed
    """The task `edgecut`."""

    _requires_connection = False

    def run(self, tmp: None = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run the command here or on the device; the result is what RETURN describes."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_SPECIFICATION)
        if self._task.check_mode and not options["reads"]:
            return result | {"skipped": True, "changed": False}
        result["changed"] = not options["reads"]
        variables = task_vars or {}
        if options["package"]:
            return result | outcome(self._run_here(options, variables), options["otherwise"])
        arguments = {"argv": options["command"], "chdir": options["chdir"]}
        done = self._execute_module("ansible.legacy.command", module_args=arguments, task_vars=variables)
        finished = _finished_on_device(done)
        ended = outcome(finished, options["otherwise"])
        if ended.get("failed"):
            ended["msg"] = f"{variables['inventory_hostname']}: {ended['msg'].removeprefix('error: ')}"
        # Pass on the interpreter that Ansible discovered.
        return result | {"ansible_facts": done.get("ansible_facts", {})} | ended

    def _run_here(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> Finished:
        def show(line: str) -> None:
            if not self._task.no_log:
                Display().display(f"  {line}")

        package = options["package"]
        prefix = variables.get("controller_prefix", []) if package == "controller" else []
        command = [*self._templar.template(prefix), sys.executable, "-m", package, *options["command"]]
        try:
            return run(command, Path(options["chdir"] or _ROOT), show, show_stdout=options["show"])
        except OSError as error:
            return Finished(127, "", f"error: cannot run {command[0]}: {error.strerror}")


def _finished_on_device(done: Mapping[str, Any]) -> Finished:
    """The end of the module `command`; if the command did not start, `msg` says why."""
    ran = "rc" in done
    stderr = done.get("stderr") or done.get("module_stderr") or ("" if ran else done.get("msg", ""))
    return Finished(int(done["rc"]) if ran else 1, done.get("stdout", ""), str(stderr))
