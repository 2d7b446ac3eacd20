"""The task `edgecut`: what it shows, returns and reports of a command, and what becomes of Ctrl-C."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ANSIBLE = Path(__file__).parents[3] / "ansible"

TALKS = """
import sys, time
print("cell 1", file=sys.stderr); time.sleep(0.05)
print("table"); time.sleep(0.05)
print("cell 2", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
FINISHES_ITS_TRIAL = """
import signal, sys, time

def stop(number, frame):
    print("interrupted; finished trials are saved", file=sys.stderr)
    sys.exit(130)

signal.signal(signal.SIGINT, stop)
print("ready", file=sys.stderr)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def edgecut(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(ANSIBLE / "action_plugins" / "edgecut.py", "edgecut_action")


def package(folder: Path, code: str, name: str = "pack") -> Path:
    """A package of one command."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    (folder / name / "__main__.py").write_text(code, encoding="utf-8")
    return folder


class Task:
    """A task `edgecut` without the rest of Ansible; `device` is what the module `command` returns there."""

    def __init__(self, module: ModuleType, device: dict[str, Any] | None = None) -> None:
        self.shown: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self._module = module
        self._device = device

    def run(self, check_mode: bool = False, no_log: bool = False, **options: Any) -> dict[str, Any]:
        task = SimpleNamespace(
            args=options, check_mode=check_mode, no_log=no_log, async_val=0, action="edgecut"
        )
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        templar = SimpleNamespace(template=lambda value: value)
        action = self._module.ActionModule(task, connection, None, None, templar)
        action._execute_module = self._execute_module
        variables = {"inventory_hostname": "pi1", "controller_prefix": ["env", "PREFIXED=yes"]}
        display = SimpleNamespace(display=self.shown.append)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._module, "Display", lambda: display)
            result: dict[str, Any] = action.run(task_vars=variables)
        return result

    def _execute_module(self, name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert self._device is not None
        self.sent.append(module_args)
        return self._device


def test_progress_is_shown_in_order_and_the_answer_returned(edgecut: ModuleType, tmp_path: Path) -> None:
    folder = str(package(tmp_path, TALKS))
    task = Task(edgecut)
    result = task.run(package="pack", command=["0"], chdir=folder)
    assert task.shown == ["  cell 1", "  cell 2"]
    assert result["changed"] and result["rc"] == 0
    assert (result["stdout"], result["msg"]) == ("table\n", "cell 2")
    assert "json" not in result

    with_answer = Task(edgecut)
    assert not with_answer.run(package="pack", command=[0], chdir=folder, show=True, reads=True)["changed"]
    assert with_answer.shown == ["  cell 1", "  table", "  cell 2"]
    secret = Task(edgecut)
    secret.run(package="pack", command=["0"], chdir=folder, no_log=True)
    assert secret.shown == []


def test_a_line_is_shown_while_the_command_runs(edgecut: ModuleType, tmp_path: Path) -> None:
    waits = "import sys\nfrom pathlib import Path\nprint('here', file=sys.stderr)\n"
    waits += "while not Path('seen').exists(): pass\n"
    folder = package(tmp_path, waits)
    command = [sys.executable, "-m", "pack"]
    assert edgecut.run(command, folder, lambda line: (folder / "seen").touch()).rc == 0


@pytest.mark.parametrize(
    ("word", "changed"),
    [("changed", True), ("restarted", True), ("unchanged", False), ("not running", False)],
)
def test_a_command_says_whether_it_changed_something(edgecut: ModuleType, word: str, changed: bool) -> None:
    task = Task(edgecut, {"rc": 0, "stdout": word, "stderr": ""})
    assert task.run(command=["x"])["changed"] is changed


def test_json_is_parsed(edgecut: ModuleType, tmp_path: Path) -> None:
    folder = str(package(tmp_path, 'print(\'{"name": "demo"}\')'))
    assert Task(edgecut).run(package="pack", command=[], chdir=folder)["json"] == {"name": "demo"}


@pytest.mark.parametrize(
    ("stderr", "stdout", "rc", "says"),
    [
        ("cell 1\nerror: no lab file\nWarning: late\n", "", 2, "error: no lab file"),
        ("error: first\nerror: second\n", "", 2, "error: second"),
        (
            "cell 1\ninterrupted; finished trials are saved\n",
            "",
            130,
            "interrupted; finished trials are saved",
        ),
        ("cell 1\nincomplete: 1 missing\n", "a table", 1, "incomplete: 1 missing"),
        ("Traceback ...\nValueError: x\n", "", 1, "ValueError: x"),
        ("", "pi  does not answer\n", 2, "pi  does not answer"),
        ("", "", -9, "no output, exit code -9"),
    ],
)
def test_a_failure_is_one_line(edgecut: ModuleType, stderr: str, stdout: str, rc: int, says: str) -> None:
    assert edgecut.outcome(edgecut.Finished(rc, stdout, stderr)) == {"failed": True, "rc": rc, "msg": says}


def test_the_line_of_a_failure_is_not_shown_twice(edgecut: ModuleType, tmp_path: Path) -> None:
    code = "import sys\nprint('cell 1', file=sys.stderr)\nsys.exit('error: no lab file')"
    task = Task(edgecut)
    result = task.run(package="pack", command=[], chdir=str(package(tmp_path, code)))
    assert result["failed"] and result["msg"] == "error: no lab file"
    assert task.shown == ["  cell 1"]


def test_a_folder_that_is_missing_is_named(edgecut: ModuleType, tmp_path: Path) -> None:
    result = Task(edgecut).run(package="pack", command=[], chdir=str(tmp_path / "nowhere"))
    assert result["failed"] and "cannot run" in result["msg"]


def test_only_commands_of_the_controller_enter_the_lab(edgecut: ModuleType, tmp_path: Path) -> None:
    code = "import os\nprint(os.environ.get('PREFIXED'))"
    for name, prefixed in (("controller", "yes\n"), ("analysis", "None\n")):
        folder = str(package(tmp_path, code, name))
        assert Task(edgecut).run(package=name, command=[], chdir=folder)["stdout"] == prefixed


def test_a_check_runs_commands_that_only_read(edgecut: ModuleType, tmp_path: Path) -> None:
    folder = package(tmp_path, "from pathlib import Path\nPath('ran').touch()")
    skipped = Task(edgecut).run(package="pack", command=[], chdir=str(folder), check_mode=True)
    assert skipped["skipped"] and not skipped["changed"]
    assert not (folder / "ran").exists()
    read = Task(edgecut).run(package="pack", command=[], chdir=str(folder), check_mode=True, reads=True)
    assert read["rc"] == 0
    assert (folder / "ran").exists()


def test_on_a_device_the_line_names_the_device(edgecut: ModuleType) -> None:
    fine = Task(edgecut, {"rc": 0, "stdout": "changed", "stderr": "", "ansible_facts": {"python": "3"}})
    result = fine.run(command=["edgecut-link", "clear"], chdir="/")
    assert fine.sent == [{"argv": ["edgecut-link", "clear"], "chdir": "/"}]
    assert result["stdout"] == "changed"
    assert result["ansible_facts"] == {"python": "3"}

    failed = Task(edgecut, {"rc": 2, "stdout": "", "stderr": "error: no interface", "failed": True})
    assert failed.run(command=["x"])["msg"] == "pi1: no interface"
    silent = Task(edgecut, {"rc": 2, "stdout": "", "stderr": "", "msg": "Error executing command."})
    assert silent.run(command=["x"], otherwise="no worker")["msg"] == "pi1: no worker"
    not_root = Task(edgecut, {"failed": True, "msg": "Missing sudo password"})
    assert not_root.run(command=["x"])["msg"] == "pi1: Missing sudo password"


def test_the_first_ctrl_c_goes_to_the_command_and_the_second_to_ansible(
    edgecut: ModuleType, load: Callable[[Path, str], ModuleType], tmp_path: Path
) -> None:
    interrupt = load(ANSIBLE / "callback_plugins" / "edgecut_interrupt.py", "edgecut_interrupt")
    folder = package(tmp_path, FINISHES_ITS_TRIAL, "controller")
    ready = threading.Event()
    ended: list[Any] = []
    command = [sys.executable, "-m", "controller"]
    runs = threading.Thread(target=lambda: ended.append(edgecut.run(command, folder, lambda _: ready.set())))
    of_ansible: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: of_ansible.append(number))
    try:
        plugin = interrupt.CallbackModule()
        plugin.v2_playbook_on_task_start(SimpleNamespace(action="edgecut"), False)
        runs.start()
        assert ready.wait(30)
        signal.raise_signal(signal.SIGINT)
        runs.join(30)
        assert edgecut.reason(ended[0]) == "interrupted; finished trials are saved"
        assert of_ansible == []
        signal.raise_signal(signal.SIGINT)
        assert of_ansible == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_between_commands_is_ansibles(load: Callable[[Path, str], ModuleType]) -> None:
    interrupt = load(ANSIBLE / "callback_plugins" / "edgecut_interrupt.py", "edgecut_interrupt")
    of_ansible: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: of_ansible.append(number))
    try:
        plugin = interrupt.CallbackModule()
        plugin.v2_playbook_on_task_start(SimpleNamespace(action="copy"), False)
        assert signal.getsignal(signal.SIGINT) != plugin._interrupt
        plugin.v2_playbook_on_task_start(SimpleNamespace(action="edgecut"), False)
        signal.raise_signal(signal.SIGINT)
        for _ in range(3000):
            if of_ansible:
                break
            time.sleep(0.01)
        assert of_ansible == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
