"""A host of a test's own, for plays that act as root: this machine, with other /etc, /opt, /srv and /var.

Its root has neither CAP_DAC_OVERRIDE nor CAP_DAC_READ_SEARCH, so it gets nowhere in a store, which is for
the worker's user alone.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]

# The folders of the test's own; /srv is what is not edgecut's.
_OWN = ("etc", "opt", "srv", "var/lib", "var/log")

_ENTER = """
set -eu
own=$1 root=$2 packages=$3; shift 3
mkdir -p "$own/opt/code/worker" "$own/opt/packages"
bind() { mount --bind "$1" "$2" && mount -o remount,ro,bind "$2"; }
bind "$root/worker" "$own/opt/code/worker"
bind "$packages" "$own/opt/packages"
for entry in /opt/*; do
    if [ -d "$entry" ] && [ ! -e "$own$entry" ]; then mkdir "$own$entry"; bind "$entry" "$own$entry"; fi
done
for folder in etc srv var/lib var/log opt; do mount --rbind "$own/$folder" "/$folder"; done
exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"
"""

# Every unit runs and is enabled, and the worker's has been started as its file says.
_SYSTEMCTL = """#!/bin/sh
echo systemctl "$@" >>"$CALLS"
case "$*" in
*show*edgecut-worker.service*--property*)
    unit=/etc/systemd/system/edgecut-worker.service
    export "$(sed -n 's/^Environment=//p' "$unit")"
    sleep 20 >/dev/null 2>&1 &
    echo "MainPID=$!" ;;
esac
case "$*" in
*show*)
    printf '%s\\n' Id=systemd-timesyncd.service LoadState=loaded ActiveState=active UnitFileState=enabled ;;
*is-enabled*) echo enabled ;;
esac
"""
_PACKAGES = """#!/bin/sh
echo "${0##*/}" "$@" >>"$CALLS"
case "$0" in */dpkg-query) echo "installed openssh-server"; esac
"""


class OwnHost:
    """The host; its folders lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        self._commands = folder / "commands"
        for name in _OWN:
            (folder / name).mkdir(parents=True, mode=0o755)
        subprocess.run(["cp", "-a", "/etc/.", folder / "etc"], check=True)
        self._commands.mkdir()
        for command in ("systemctl", "apt-get", "dpkg", "dpkg-query"):
            path = self._commands / command
            path.write_text(_SYSTEMCTL if command == "systemctl" else _PACKAGES)
            path.chmod(0o755)

    def path(self, path: str) -> Path:
        """Where a path of the host lies on this machine."""
        return self.folder / path.lstrip("/")

    def install_environment(self) -> None:
        """Make the worker's environment: what a deployment would make in a minute."""
        name = f"python3.{sys.version_info.minor}"
        python = shutil.which(name, path="/usr/local/bin:/usr/bin")
        assert python, f"the worker's user needs a {name} outside of root's folders"
        venv = self.path("/opt/edgecut/venv")
        packages = venv / "lib" / name / "site-packages"
        packages.mkdir(parents=True)
        (packages / "ours.pth").write_text("/opt/code\n/opt/packages\n")
        (venv / "bin").mkdir()
        (venv / "bin" / "python").symlink_to(python)
        (venv / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
        (venv / "edgecut.json").write_text('{"python": "/usr/bin/python3", "wheels": "a", "worker": "b"}')

    def play(
        self,
        *tasks: Mapping[str, Any],
        hosts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run tasks as root; each of `hosts` is this one, with settings of its own."""
        settings: dict[str, Any] = yaml.safe_load((ROOT / "ansible/group_vars/all.yml").read_text())
        settings |= {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "device_become": False,
            "edgecut_root": str(ROOT),
            "edgecut_state_dir": str(self.folder / "state"),
            "host": "127.0.0.1",
            "lab_name": "own",
            "shaping": "emulated",
            "wheels_device": {"digest": "a", "worker_digest": "b"},
        }
        device = {"os": "debian_12", "python": "/usr/bin/python3", "interface": "lo", "address": "127.0.0.1"}
        facts = {"ansible.builtin.set_fact": {"edgecut_device": device, "cacheable": True}}
        inventory = {"devices": {"hosts": dict(hosts or {"pi1": {}}), "vars": settings}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        play = {"hosts": "devices", "gather_facts": False, "tasks": [facts, *tasks]}
        (self.folder / "play.json").write_text(json.dumps([play]))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment["ANSIBLE_ROLES_PATH"] = str(ROOT / "ansible" / "roles")
        environment["CALLS"] = str(self._calls)
        environment["PATH"] = f"{self._commands}:{os.environ['PATH']}"
        packages = Path(pytest.__file__).parents[1]
        enter: list[str | Path] = ["unshare", "--mount", "sh", "-c", _ENTER, "enter"]
        enter += [self.folder, ROOT, packages, sys.executable, "-m", "ansible", "playbook"]
        return subprocess.run(
            [*enter, "-i", self.folder / "hosts.json", self.folder / "play.json"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was asked of systemd, apt and dpkg since the last time, but for questions."""
        text = self._calls.read_text() if self._calls.exists() else ""
        self._calls.unlink(missing_ok=True)
        questions = ("show", "is-enabled", "is-active", "dpkg-query", "list-unit-files", "--simulate")
        lines = (line for line in text.splitlines() if line)
        return [line for line in lines if not any(word in line.split() for word in questions)]
