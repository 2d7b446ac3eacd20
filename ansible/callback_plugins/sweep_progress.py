"""Shows a sweep's progress while its task runs, and lets Ctrl-C end it in order.

A task's output is shown when the task ends, which for a sweep may be hours later. So `sweep.yml` tells
the controller to write progress lines to a file, names that file in the fact `sweep_progress_file`, and
this plugin shows the lines as they come.

From then on a first Ctrl-C is given to the controller, which finishes its trial; its task ends, and the
playbook goes on to clear the links. Where no controller runs, and the second time, it ends the playbook.
"""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: sweep_progress
    type: aggregate
    short_description: shows a sweep's progress while its task runs
    description:
      - Shows lines as they are appended to the file that the fact C(sweep_progress_file) names.
"""

_POLL_S = 0.5
_FACT = "sweep_progress_file"


def _controllers() -> list[psutil.Process]:
    """The controller's processes under this one; no terminal reaches them, since Ansible detaches them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            words = process.cmdline()
            # Ansible's module has the same words in one argument.
            if "-m" in words and words[words.index("-m") + 1 : words.index("-m") + 2] == ["controller"]:
                found.append(process)
    return found


class CallbackModule(CallbackBase):  # type: ignore[misc]  # the base class is not typed
    """Begins to follow the file when the fact is set, and shows what is left of it when a task ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "sweep_progress"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path: Path | None = None
        self._offset = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def v2_runner_on_ok(self, result: Any) -> None:
        path = (result.result.get("ansible_facts") or {}).get(_FACT)
        if path and self._path is None:
            self._path = Path(path)
            self._offset = self._path.stat().st_size if self._path.exists() else 0
            self._take_interrupts()
            threading.Thread(target=self._follow, name=self.CALLBACK_NAME, daemon=True).start()
        self._show_new_lines()

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._show_new_lines()

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._show_new_lines()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._ended.set()
        self._show_new_lines()

    def _take_interrupts(self) -> None:
        ansibles: Any = signal.getsignal(signal.SIGINT)

        def interrupt(number: int, frame: FrameType | None) -> None:
            # The next one is Ansible's.
            signal.signal(signal.SIGINT, ansibles)
            controllers = _controllers()
            for controller in controllers:
                with suppress(psutil.Error):
                    controller.send_signal(signal.SIGINT)
            if not controllers:
                ansibles(number, frame)

        signal.signal(signal.SIGINT, interrupt)

    def _follow(self) -> None:
        with suppress(OSError):  # standard output may be closed: not a reason to stop a sweep
            while not self._ended.wait(_POLL_S):
                self._show_new_lines()

    def _show_new_lines(self) -> None:
        """Whole lines only: the rest of one that is being written is shown with its end."""
        if self._path is None or not self._path.exists():
            return
        with self._lock:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                # Display takes its own lock, which Ansible also holds while it forks.
                self._display.display(f"  {line}")
