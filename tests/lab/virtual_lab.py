"""A lab of virtual Pis or namespaces for tests: the playbooks, in a folder whose path has a space in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

_LINKS = """
- hosts: devices
  gather_facts: false
  tasks:
    - name: Do what is asked of the links
      ansible.builtin.include_role:
        name: network
        tasks_from: "{{ tasks_from }}"
"""


class VirtualLab:
    """Runs the playbooks of a copy of the repository.

    Args:
        folder: Where the copy goes.
        before: What is put before every command, for example to run it as another user.
        python: The interpreter that runs Ansible.
    """

    kind = "virtual"
    """The lab's name, and that of its inventory."""

    def __init__(self, folder: Path, before: Sequence[str] = (), python: str = sys.executable) -> None:
        self.root = folder
        self._before = list(before)
        self._python = python
        for name in ("analysis", "ansible", "controller", "exporter", "inventory", "worker"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("ansible.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)

    @property
    def folder(self) -> Path:
        """The folder of the lab."""
        return self.root / ".edgecut" / self.kind

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder of the copy."""
        return subprocess.run(
            [*self._before, *command],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        )

    def play(
        self, *settings: str, playbook: str = "virtual_lab.yml", options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook with settings of the form name=value and other options of ansible-playbook."""
        return self.run(*self.playbook(playbook, *settings), *options)

    def playbook(self, playbook: str, *settings: str) -> list[str]:
        """The command that runs a playbook with settings of the form name=value."""
        command = [self._python, "-m", "ansible", "playbook", "-i", f"inventory/{self.kind}"]
        return [*command, f"ansible/{playbook}", *(word for one in settings for word in ("-e", one))]

    @contextmanager
    def up(self, *settings: str, deployed: bool = False) -> Iterator[None]:
        """Bring the lab up with settings of the form name=value, bare or deployed; remove it afterwards."""
        try:
            assert_succeeds(self.play(*settings))
            if deployed:
                assert_succeeds(self.play(playbook="deploy.yml"))
            yield
        finally:
            self.play("state=absent")

    def links(self, tasks_from: str, *settings: str) -> subprocess.CompletedProcess[str]:
        """Run a file of tasks of the role `network`."""
        (self.root / "ansible" / "links.yml").write_text(_LINKS, encoding="utf-8")
        return self.play(f"tasks_from={tasks_from}", *settings, playbook="links.yml")

    def python_module(self, module: str, *arguments: str) -> list[str]:
        """The command that runs one of our packages."""
        return [self._python, "-m", module, *arguments]

    def ask(self, command: str, *options: str) -> dict[str, str]:
        """Run a shell command on every Pi that can be reached and return what each printed, by its name."""
        module = ("-m", "ansible.builtin.shell", "-a", command, "--one-line")
        done = self.run(
            *(
                self._python,
                "-m",
                "ansible",
                "adhoc",
                "-i",
                f"inventory/{self.kind}",
                "devices",
                *module,
                *options,
            )
        )
        answers = {}
        for line in done.stdout.splitlines():
            name, _, rest = line.partition(" | ")
            if "(stdout)" in rest:
                answers[name] = rest.split("(stdout)", 1)[1].replace("\\n", "\n").strip()
        return answers

    def ssh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ssh with the lab's settings."""
        return self.run("ssh", "-F", self.folder / "ssh_config", "-o", "BatchMode=yes", *words)

    def inventory(self) -> dict[str, dict[str, object]]:
        """What the inventory says of each device."""
        listed = self.run(
            self._python, "-m", "ansible", "inventory", "-i", f"inventory/{self.kind}", "--list"
        )
        hosts: dict[str, dict[str, object]] = json.loads(listed.stdout)["_meta"]["hostvars"]
        return hosts

    def pid(self, name: str) -> int:
        """The process whose end is a plug pulled."""
        return int((self.folder / "pis" / name / "pid").read_text(encoding="ascii"))

    def processes(self, pi: str | None = None) -> list[psutil.Process]:
        """All that runs for this lab, SSH connections included, or what one Pi consists of."""
        within = self.folder / "pis" / pi if pi else self.folder
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "status"]):
            told = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
            ours = any(str(within) in word for word in told)
            if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


@contextmanager
def half_a_processor(processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Give processes together a CPU quota of 50 ms in every 100 ms."""
    root = Path("/sys/fs/cgroup")
    limits = {"cpu.max": "50000 100000"}
    if not (root / "cgroup.controllers").exists():
        root /= "cpu"
        limits = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}
    group = root / f"edgecut-half-{os.getpid()}"
    group.mkdir()
    try:
        for name, limit in limits.items():
            (group / name).write_text(limit, encoding="ascii")
        _move([process.pid for process in processes], group)
        yield
    finally:
        # A virtual Pi's processes come and go.
        while pids := (group / "cgroup.procs").read_text(encoding="ascii").split():
            _move(map(int, pids), root)
        group.rmdir()


def _move(pids: Iterable[int], group: Path) -> None:
    """Put processes into a control group, but for those that have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, over all hosts."""
    recap = done.stdout.split("PLAY RECAP")[1]
    return sum(int(word.removeprefix("changed=")) for word in recap.split() if word.startswith("changed="))


def assert_succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def assert_fails_saying(done: subprocess.CompletedProcess[str], *says: str) -> None:
    """One message that a person can act on, no stack trace."""
    assert done.returncode != 0, done.stdout
    output = " ".join((done.stdout + done.stderr).split())
    for text in says:
        assert text in output
    assert "Traceback" not in output
