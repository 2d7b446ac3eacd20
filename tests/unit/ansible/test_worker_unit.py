"""The worker's systemd units, rendered by Ansible for one kind of device or another."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROLE = Path(__file__).parents[3] / "ansible" / "roles" / "worker"
DEVICE = {
    "service_manager": "systemd",
    "device_dir": "/opt/edgecut",
    "device_python": "/opt/edgecut/venv/bin/python",
    "store": "/var/lib/edgecut/store",
    "kind": "real",
    "host": "pi1.local",
    "control_port": 7100,
    "data_port": 7101,
    "slowdown": 1,
    "threads": 1,
    "provider": "cpu",
    "onnxruntime_options": {},
    "shaping": "tc",
    "security": "key",
    "device_secrets": "/etc/edgecut",
    "device_become": False,
    "memory_limit": "85%",
    "edgecut_device": {"address": "192.168.1.11", "interface": "eth0"},
    "wheels_device": {"digest": "a", "worker_digest": "b"},
}


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Units by the name of what is special about them; one run of Ansible makes all."""
    folder = tmp_path_factory.mktemp("units")
    settings: dict[str, dict[str, object]] = {
        "plain": {},
        "plain_again": {},
        "gpu": {"provider": "cuda"},
        "options": {
            "onnxruntime_options": {"session.intra_op.allow_spinning": 1, "graph_optimization_level": "basic"}
        },
        "emulated": {"shaping": "emulated"},
        "new_code": {"wheels_device": {"digest": "a", "worker_digest": "c"}},
        "less_memory": {"memory_limit": "512M"},
        "new_key": {"worker_secret": {"stat": {"checksum": "d"}}},
        "tls": {"security": "tls"},
        "percent": {"store": "/srv/100% mine"},
        "user": {"service_manager": "systemd_user", "shaping": "none"},
        "user_gpu": {"service_manager": "systemd_user", "shaping": "none", "provider": "cuda"},
    }
    hosts = {name: DEVICE | special for name, special in settings.items()}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [
            {
                "ansible.builtin.include_role": {"name": str(ROLE), "tasks_from": "unit"},
                "vars": {"worker_units": str(folder), "worker_unit": "{{ inventory_hostname }}.service"},
            }
        ],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", folder / "hosts.json", folder / "play.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (folder / f"{name}.service").read_text().splitlines() for name in hosts}


def value(unit: list[str], key: str) -> str:
    (found,) = [line.partition("=")[2] for line in unit if line.startswith(f"{key}=")]
    return found


def test_the_worker_listens_at_the_device_address_and_watches_its_link(units: dict[str, list[str]]) -> None:
    command = value(units["plain"], "ExecStart")
    assert "--host 192.168.1.11" in command and "pi1.local" not in command
    assert "--qdisc-of eth0" in command and "--heartbeat /run/edgecut/heartbeat" in command
    assert "--qdisc-of" not in value(units["emulated"], "ExecStart")
    assert "--heartbeat" not in value(units["user"], "ExecStart")
    assert "'/srv/100%% mine'" in value(units["percent"], "ExecStart")


def test_the_worker_is_told_where_its_secrets_are(units: dict[str, list[str]]) -> None:
    assert "--key-file /etc/edgecut/lab.key" in value(units["plain"], "ExecStart")
    command = value(units["tls"], "ExecStart")
    assert "--certificates /etc/edgecut" in command and "--key-file" not in command


def test_the_service_manager_lets_it_write_to_the_store_and_gives_it_nothing(
    units: dict[str, list[str]],
) -> None:
    """StateDirectory would make root give the worker's user all that is in the folder, at each start."""
    assert value(units["plain"], "ReadWritePaths") == "/var/lib/edgecut/store"
    assert value(units["percent"], "ReadWritePaths") == "'/srv/100%% mine'"
    assert not [line for unit in units.values() for line in unit if line.startswith("StateDirectory")]


def test_each_option_of_onnx_runtime_is_told(units: dict[str, list[str]]) -> None:
    command = value(units["options"], "ExecStart")
    assert "--onnxruntime-option session.intra_op.allow_spinning=1 --onnxruntime-option" in command
    assert "--onnxruntime-option graph_optimization_level=basic" in command
    assert "--onnxruntime-option" not in value(units["plain"], "ExecStart")


def test_only_a_gpu_is_let_through_to_the_worker(units: dict[str, list[str]]) -> None:
    assert "PrivateDevices=yes" in units["plain"] and "MemoryDenyWriteExecute=yes" in units["plain"]
    assert not [line for line in units["plain"] if "nvidia" in line]
    assert "DeviceAllow=char-nvidia-uvm rw" in units["gpu"] and "DevicePolicy=closed" in units["gpu"]
    assert "PrivateDevices=yes" not in units["gpu"]
    for name in ("gpu", "user_gpu"):
        assert "MemoryDenyWriteExecute=yes" not in units[name]


def test_the_revision_changes_with_what_the_worker_is_started_with(units: dict[str, list[str]]) -> None:
    revisions = {name: value(unit, "Environment") for name, unit in units.items()}
    # Devices differ by their names, which the command has.
    assert len(set(revisions.values())) == len(revisions)
    commands = {name: value(unit, "ExecStart") for name, unit in units.items()}
    for name in ("new_code", "new_key"):
        assert commands[name].replace(name, "") == commands["plain"].replace("plain", "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_understands_every_line(units: dict[str, list[str]], tmp_path: Path) -> None:
    for name, unit in units.items():
        path = tmp_path / f"{name}.service"
        path.write_text("\n".join(unit).replace("/opt/edgecut/venv/bin/python", sys.executable))
        scope = ["--user"] if name.startswith("user") else []
        done = subprocess.run(
            ["systemd-analyze", *scope, "verify", "--man=no", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert name not in done.stderr, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
@pytest.mark.parametrize("name", ["plain", "gpu"])
def test_a_service_of_the_device_is_little_exposed(
    name: str, units: dict[str, list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "edgecut-worker.service"
    path.write_text("\n".join(units[name]))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
