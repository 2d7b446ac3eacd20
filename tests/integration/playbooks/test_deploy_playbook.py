"""`deploy.yml` and `teardown.yml`: real ansible-playbook, real workers."""

import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.integration.playbooks.local_lab import LocalLab, assert_fails_saying, assert_succeeds, changed


def test_a_second_deploy_changes_nothing_from_either_folder(lab: LocalLab) -> None:
    assert len(lab.processes()) == 2
    # It was deployed from ansible/.
    again = lab.play("deploy.yml", within=".")
    assert_succeeds(again)
    assert changed(again) == 0


def test_the_lab_has_a_key_that_nobody_else_can_read(lab: LocalLab) -> None:
    keys = [lab.state / "local.key", *(lab.state / name / "secrets" / "lab.key" for name in ("pi", "server"))]
    (key,) = {path.read_text() for path in keys}
    assert len(bytes.fromhex(key)) == 32
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert key.strip() not in (lab.state / "local.json").read_text()
    for process in lab.processes():
        command = " ".join(process.cmdline())
        assert "--key-file=" in command and key.strip() not in command


def test_more_workers_are_remembered_mended_and_can_leave(lab: LocalLab) -> None:
    assert_succeeds(lab.play("deploy.yml", "workers=3"))
    assert lab.devices() == ["pi", "server", "device3"]
    assert len(lab.processes()) == 3

    # One dies, and another one gets a new setting; the third is left alone.
    before = {name: lab.worker(name) for name in lab.devices()}
    before["server"].kill()
    before["server"].wait(10)
    inventory = lab.root / "inventory" / "local" / "hosts.yml"
    text = inventory.read_text(encoding="utf-8")
    inventory.write_text(re.sub(r"slowdown: \d+", "slowdown: 3", text), encoding="utf-8")
    mended = lab.play("deploy.yml")
    assert_succeeds(mended)
    assert changed(mended) == 2
    assert lab.devices() == ["pi", "server", "device3"]
    assert len(lab.processes()) == 3
    assert {name for name in lab.devices() if lab.worker(name) == before[name]} == {"device3"}

    assert_succeeds(lab.play("deploy.yml", "workers=2"))
    assert lab.devices() == ["pi", "server"]
    assert len(lab.processes()) == 2
    assert sorted(path.name for path in lab.state.iterdir()) == ["local.json", "local.key", "pi", "server"]


def test_a_port_that_is_taken_is_named(lab: LocalLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = lab.root / "other lab"
        settings = f"edgecut_state_dir='{other}'", f"base_port={port}"
        done = lab.play("deploy.yml", *settings)
        assert_fails_saying(done, "pi: ", str(port))
        assert_succeeds(lab.play("teardown.yml", *settings))
    assert not other.exists()


def test_an_inventory_without_devices_says_so(lab: LocalLab, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("devices:\n  hosts: {}\n", encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            inventory,
            lab.root / "ansible" / "deploy.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert_fails_saying(done, "The inventory has no group `devices`")


def test_a_check_run_changes_nothing(lab: LocalLab) -> None:
    pids = {process.pid for process in lab.processes()}
    for playbook in ("deploy.yml", "teardown.yml"):
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", playbook, "--check", "--diff"],
            capture_output=True,
            text=True,
            check=False,
            cwd=lab.root / "ansible",
        )
        assert_succeeds(done)
    assert {process.pid for process in lab.processes()} == pids
    assert (lab.state / "local.json").exists()


def test_teardown_leaves_no_process_and_no_file_and_can_be_run_again(lab: LocalLab) -> None:
    assert_succeeds(lab.play("teardown.yml"))
    assert lab.processes() == []
    assert not lab.state.exists()
    again = lab.play("teardown.yml")
    assert_succeeds(again)
    assert changed(again) == 0
