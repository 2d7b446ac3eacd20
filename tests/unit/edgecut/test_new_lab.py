"""`edgecut lab new`: what it writes, asks and refuses."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgecut.cli import new_lab
from edgecut.cli.main import main

DEVICES = ["--device", "pi1=192.0.2.11", "--device", "020=bob@192.0.2.12,eth0"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without inventories."""
    monkeypatch.setattr(new_lab, "ROOT", tmp_path)
    return tmp_path


def hosts_of(inventory: Path) -> dict[str, dict[str, object]]:
    """The devices of an inventory."""
    loaded = yaml.safe_load((inventory / "hosts.yml").read_text(encoding="utf-8"))
    hosts: dict[str, dict[str, object]] = loaded["devices"]["hosts"]
    return hosts


def test_flags_name_devices_and_the_next_command_follows(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "new", "mylab", *DEVICES, "--user", "ann", "--links", "emulated", "--no-root"]) == 0
    inventory = root / "inventory" / "mylab"
    assert hosts_of(inventory) == {
        "pi1": {"ansible_host": "192.0.2.11"},
        "020": {"ansible_host": "192.0.2.12", "ansible_user": "bob", "data_interface": "eth0"},
    }
    settings = yaml.safe_load((inventory / "group_vars" / "devices.yml").read_text(encoding="utf-8"))
    assert settings == {"ansible_user": "ann", "shaping": "emulated", "service_manager": "systemd_user"}
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "Next: edgecut lab check -i inventory/mylab"


@pytest.mark.processes
def test_ansible_reads_the_inventory(root: Path) -> None:
    assert main(["lab", "new", "on", *DEVICES]) == 0
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", root / "inventory" / "on", "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = json.loads(done.stdout)
    assert listed["devices"]["hosts"] == ["pi1", "020"]
    assert listed["_meta"]["hostvars"]["020"]["lab_name"] == "on"


def test_questions_are_asked_again_until_the_answer_can_be(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ["", "192.0.2.11", "", ""]
    second = ["pi1", "", "127.0.0.1", "", "192.0.2.12", "bob", "eth1"]
    links = ["sometimes", "emulated", "n"]
    answers = "\n".join([*first, *second, "", *links]) + "\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    assert main(["lab", "new", "mylab"]) == 0
    assert hosts_of(root / "inventory" / "mylab") == {
        "pi1": {"ansible_host": "192.0.2.11"},
        "pi2": {"ansible_host": "192.0.2.12", "ansible_user": "bob", "data_interface": "eth1"},
    }
    said = capsys.readouterr().err
    assert "another device is named 'pi1'" in said
    assert "the other devices cannot reach 127.0.0.1" in said
    assert "'sometimes': choose one of tc, emulated, none" in said


def test_what_was_given_is_not_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = ["pi1", "192.0.2.11", "", "", "pi2", "192.0.2.12", "", "", ""]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(devices) + "\n"))
    assert main(["lab", "new", "mylab", "--user", "ann", "--links", "none", "--no-root"]) == 0
    settings = yaml.safe_load((root / "inventory" / "mylab" / "group_vars" / "devices.yml").read_text())
    assert settings == {"ansible_user": "ann", "shaping": "none", "service_manager": "systemd_user"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--user", "Root Me"], "--user Root Me: no user name"),
        (["--links", "wet"], "--links wet: choose one of"),
        (["--links", "tc", "--no-root"], "--links tc needs root"),
    ],
)
def test_a_wrong_flag_is_refused_before_any_question(
    root: Path, given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "new", "mylab", *given]) == 2
    assert capsys.readouterr().err.startswith(f"error: {says}")


def test_the_end_of_the_input_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("pi1\n"))
    assert main(["lab", "new", "mylab"]) == 130
    assert not (root / "inventory").exists()


def test_this_machine_needs_no_ssh(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecut.new_lab.NewDevice.is_this_machine", property(lambda it: it.name == "ws"))
    assert main(["lab", "new", "mylab", "--device", "pi1=192.0.2.11", "--device", "ws=192.0.2.12"]) == 0
    hosts = hosts_of(root / "inventory" / "mylab")
    assert hosts["ws"]["ansible_connection"] == "local"
    assert "ansible_connection" not in hosts["pi1"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["My Lab"], "'My Lab' is no name of a lab"),
        (["../lab"], "'../lab' is no name of a lab"),
        (["local"], "'local' is a lab that comes with edgecut"),
        (["mylab", "--device", "pi1"], "--device pi1: write NAME=ADDRESS"),
        (["mylab", "--device", "pi_1=192.0.2.1"], "'pi_1' is no host name"),
        (["mylab", "--device", "controller=192.0.2.1"], "'controller' is a reserved name"),
        (["mylab", "--device", "pi=192.0.2"], "pi: '192.0.2' is neither an IP address nor a host name"),
        (["mylab", "--device", "pi={{x}}"], "pi: '{{x}}' is neither an IP address nor a host name"),
        (["mylab", "--device", "pi=localhost"], "pi: the other devices cannot reach localhost"),
        (["mylab", "--device", "pi=Root Me@192.0.2.1"], "pi: 'Root Me' is no user name"),
        (["mylab", "--device", "pi=192.0.2.1,eth 0"], "pi: 'eth 0' is no interface"),
        (["mylab", "--device", "pi=192.0.2.1"], "a lab has two devices or more"),
        (["mylab", *DEVICES, *DEVICES], "two devices are named 'pi1'"),
        (["mylab", *DEVICES, "--links", "wet"], "--links wet: choose one of tc, emulated, none"),
        (["mylab", *DEVICES, "--no-root"], "--links tc needs root on the devices"),
        (["mylab", *DEVICES, "--user", "Root Me"], "--user Root Me: no user name"),
    ],
)
def test_what_no_lab_may_have_is_refused(
    root: Path, given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "new", *given]) == 2
    assert capsys.readouterr().err.startswith(f"error: {says}")
    assert not (root / "inventory").exists()


def test_an_inventory_is_replaced_only_on_demand(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "new", "mylab", *DEVICES]) == 0
    mine = root / "inventory" / "mylab" / "host_vars" / "pi1.yml"
    mine.parent.mkdir()
    mine.touch()
    assert main(["lab", "new", "mylab", *DEVICES]) == 2
    assert "exists; choose another name, or replace it with --force" in capsys.readouterr().err
    assert mine.exists()
    assert main(["lab", "new", "mylab", *DEVICES, "--force"]) == 0
    assert not mine.exists()
    assert [path.name for path in (root / "inventory").iterdir()] == ["mylab"]
