"""Print a playbook as the command `edgecut` shows it: a line a step, and everything in the log.

`edgecut` selects this callback (ANSIBLE_STDOUT_CALLBACK); `ansible-playbook` alone prints as Ansible does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.playbook.block import Block
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

DOCUMENTATION = """
    name: edgecut_steps
    type: stdout
    short_description: A line a step, for the command edgecut
    description:
      - A step is a role, or a task C(edgecut) outside of roles. What these commands print while they run is
        shown too, and messages of the module C(debug).
      - The log (C(ANSIBLE_LOG_PATH)) has what Ansible itself would print.
      - How the playbook ended goes to the file that C(EDGECUT_ENDED) names, as JSON.
    extends_documentation_fragment:
      - default_callback
      - result_format_callback
"""

_COMMAND = os.environ.get("EDGECUT_COMMAND", "edgecut")
_MOST_NAMES = 4
# Over in an instant, also where nothing else of a step applies.
_NO_STEP = ("assert", "debug", "fail", "set_fact", "stat", "validate_argument_spec")
_FACTS = ("sweep_outcome", "sweep_results")


class _ToLog:
    """What looks like a display and writes to the log alone."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)

    def display(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("screen_only"):
            self._display.display(msg, log_only=True)

    def banner(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._display.display(f"\n{msg}", log_only=True)


class CallbackModule(Default):  # type: ignore[misc]  # the base class is not typed
    """Ansible's own output goes to the log; steps and errors are shown."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "edgecut_steps"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._screen = Display()
        self._display = _ToLog(self._screen)
        self._hosts = ""
        self._pending = ""
        self._printed = ""
        self._manager: Any = None
        self._errors: list[str] = []
        self._codes: list[int] = []
        self._facts: dict[str, Any] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        super().v2_playbook_on_play_start(play)
        self._manager = play.get_variable_manager()
        names = [host.name for host in self._manager._inventory.get_hosts(play.hosts)]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        named = ", ".join(names[:_MOST_NAMES]) + more
        self._hosts = "" if "localhost" in names else f" ({named})"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        super().v2_playbook_on_task_start(task, is_conditional)
        begins = task.action.rpartition(".")[2] not in _NO_STEP
        self._pending = _step_of(task) if begins else ""

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._pending and self._applies(host, task):
            self._show_step()

    def v2_runner_on_ok(self, result: Any) -> None:
        super().v2_runner_on_ok(result)
        task, values = result._task, result._result
        self._show_step()
        if task.action in ("debug", "ansible.builtin.debug") and "msg" in values:
            message = values["msg"]
            for line in message if isinstance(message, list) else [message]:
                self._screen.display(str(line))
        facts = values.get("ansible_facts", {})
        self._facts |= {name: facts[name] for name in _FACTS if facts.get(name)}
        self._note_code(task, values)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        # Ansible's own callback removes what a loop's items say.
        of_item = _message_of_item(result._result)
        super().v2_runner_on_failed(result, ignore_errors=ignore_errors)
        self._show_step()
        self._note_code(result._task, result._result)
        if not ignore_errors and not _is_rescued(result._task):
            self._note_error(result, of_item)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        super().v2_runner_on_unreachable(result)
        if not result._task.ignore_unreachable:
            self._note_error(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        super().v2_playbook_on_stats(stats)
        ended = {"errors": list(dict.fromkeys(self._errors)), "codes": self._codes, "facts": self._facts}
        if place := os.environ.get("EDGECUT_ENDED"):
            Path(place).write_text(json.dumps(ended), encoding="utf-8")

    def _handle_exception(self, result: dict[str, Any], use_stderr: bool = False) -> None:
        """Keep from the screen where in which file a task failed."""
        if text := result.pop("exception", None):
            self._display.display(str(text))

    def _show_step(self) -> None:
        if self._pending and self._pending != self._printed:
            self._screen.display(f"{_COMMAND}: {self._pending}{self._hosts}")
            self._printed = self._pending
        self._pending = ""

    def _applies(self, host: Any, task: Any) -> bool:
        """Whether the task's conditions hold; if that is not known yet, not."""
        variables = self._manager.get_vars(play=task.play, host=host, task=task)
        try:
            return bool(task._resolve_conditional(task.when, variables))
        except Exception:
            return False  # it is about the items of a loop, for example

    def _note_code(self, task: Any, values: dict[str, Any]) -> None:
        """Keep the exit codes of sweeps: they tell how one ended."""
        if task.action == "edgecut" and "rc" in values and task.args.get("package") == "controller":
            self._codes.append(int(values["rc"]))

    def _note_error(self, result: Any, of_item: str = "") -> None:
        host, task = result._host.get_name(), result._task
        message = str(of_item or result._result.get("msg") or "failed").strip().removeprefix("error: ")
        is_of_lab = host == "localhost" or task.run_once or message.startswith(f"{host}: ")
        self._errors.append(message if is_of_lab else f"{host}: {message}")


def _message_of_item(values: dict[str, Any]) -> str:
    """What the first failed item of a loop says, since the loop says only that one failed; else empty."""
    results = values.get("results")
    items = [each for each in results if isinstance(each, dict)] if isinstance(results, list) else []
    failed = (each for each in items if each.get("failed") or each.get("unreachable"))
    return str(next(failed, {}).get("msg") or "")


def _parents(task: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of a part of the playbook and what contains it, from the task outwards."""
    part = task
    while (parent := getattr(part, "_parent", None)) is not None:
        yield part, parent
        part = parent


def _is_rescued(task: Any) -> bool:
    """Whether a `rescue` handles the task's failure."""
    return any(
        isinstance(parent, Block) and parent.rescue and any(each._uuid == part._uuid for each in parent.block)
        for part, parent in _parents(task)
    )


def _step_of(task: Any) -> str:
    """The step that a task belongs to; empty where it is none worth a line."""
    includes = [parent for _, parent in _parents(task) if isinstance(parent, IncludeRole)]
    # Roles may include others; the playbook's own part is the step.
    outermost = includes[-1] if includes else task
    if outermost._role is not None:
        return _lowered(_description(Path(outermost._role._role_path)))
    if includes:
        return _lowered(outermost.get_name())
    return _lowered(task.get_name()) if task.action == "edgecut" else ""


def _description(role: Path) -> str:
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    return str(yaml.safe_load(text)["argument_specs"]["main"]["short_description"])


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
