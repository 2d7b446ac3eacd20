"""Let Ctrl-C end a command of edgecut cleanly, so that the playbook then clears the links.

Ansible detaches its tasks from the terminal and kills them at Ctrl-C. While a task `edgecut` runs, the
first Ctrl-C goes to its command instead: a sweep finishes its trial, the task fails, and the playbook's
`always` follows. The second Ctrl-C, or the first one without such a command, ends the playbook.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

import psutil
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: edgecut_interrupt
    type: aggregate
    short_description: Pass Ctrl-C on to the command of a task edgecut
    description:
      - While a task C(edgecut) runs, the first Ctrl-C goes to its command, the second ends the playbook.
"""

_MODULES = (["analysis"], ["controller"], ["exporter"])


def _commands() -> list[psutil.Process]:
    """The edgecut commands among the descendants of this process."""
    commands = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            words = process.cmdline()
            # Ansible's own modules have the same words within one argument.
            if "-m" in words and words[words.index("-m") :][1:2] in _MODULES:
                commands.append(process)
    return commands


class CallbackModule(CallbackBase):  # type: ignore[misc]  # the base class is not typed
    """Takes Ctrl-C over when the first task `edgecut` starts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "edgecut_interrupt"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_ansible: Any = None
        self._wakes: SimpleQueue[int] = SimpleQueue()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.action == "edgecut" and self._of_ansible is None:
            threading.Thread(target=self._pass_on, name="edgecut_interrupt", daemon=True).start()
            self._of_ansible = signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, self._of_ansible)
        self._wakes.put(number)

    def _pass_on(self) -> None:
        """Wait for the first Ctrl-C, and send it to edgecut's commands, or without one to Ansible."""
        number = self._wakes.get()
        commands = _commands()
        for command in commands:
            with suppress(psutil.Error):
                command.send_signal(number)
        if not commands:
            os.kill(os.getpid(), number)
