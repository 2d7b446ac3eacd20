"""The lab of virtual Pis, brought up, lived in and taken down by root."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.lab.virtual_lab import VirtualLab, assert_fails_saying, assert_succeeds, changed

# The first lab downloads Debian, and machines with tests on them are slow.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]


@pytest.fixture
def mended(lab: VirtualLab) -> Iterator[VirtualLab]:
    """The lab, for a test that breaks it: up again afterwards."""
    yield lab
    assert_succeeds(lab.play("pis=3"))


def unreachable(lab: VirtualLab) -> list[str]:
    """Pis that do not answer."""
    return sorted(set(lab.inventory()) - set(lab.ask("true; echo here")))


def test_every_pi_runs_answers_and_lets_its_user_be_root(lab: VirtualLab) -> None:
    pis = ["pi1", "pi2", "pi3"]
    assert lab.ask("systemctl is-system-running") == dict.fromkeys(pis, "running")
    assert lab.ask("hostname") == {pi: pi for pi in pis}
    assert lab.ask("id -un") == dict.fromkeys(pis, "pi")
    assert lab.ask("id -un", "--become") == dict.fromkeys(pis, "root")
    assert lab.ask("systemctl --user is-system-running") == dict.fromkeys(pis, "running")
    assert lab.ask(
        "python3 -m venv --without-pip /tmp/v && /tmp/v/bin/python -c 'print(1)'"
    ) == dict.fromkeys(pis, "1")
    identities = lab.ask("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
    assert len(set(identities.values())) == 3


def test_the_inventory_says_what_the_devices_are(lab: VirtualLab) -> None:
    pis = lab.inventory()
    assert {pi["kind"] for pi in pis.values()} == {"virtual"}
    assert {pi["shaping"] for pi in pis.values()} == {"tc"}
    assert pis["pi1"]["slowdown"] == 4
    assert "slowdown" not in pis["pi3"]


def test_a_second_run_changes_nothing(lab: VirtualLab) -> None:
    pids = [lab.pid(f"pi{i}") for i in (1, 2, 3)]
    again = lab.play()
    assert_succeeds(again)
    assert changed(again) == 0
    assert [lab.pid(f"pi{i}") for i in (1, 2, 3)] == pids


def test_cores_are_given_out_in_turn(lab: VirtualLab) -> None:
    cores = sorted(os.sched_getaffinity(0))
    for i in (1, 2, 3):
        assert os.sched_getaffinity(lab.pid(f"pi{i}")) == {cores[(i - 1) % len(cores)]}


def test_a_pi_shapes_its_own_link(lab: VirtualLab) -> None:
    delay = "sudo modprobe sch_netem && sudo tc qdisc add dev vec0 root netem delay 30ms"
    try:
        assert "netem" in lab.ssh("pi1", f"{delay} && sudo tc qdisc show dev vec0").stdout
        ping = lab.ssh("pi1", "ping -c 3 -q 10.83.0.12").stdout
        fastest_ms = float(ping.rsplit("= ", 1)[1].split("/")[0])
        assert fastest_ms >= 30
    finally:
        assert lab.ssh("pi1", "sudo tc qdisc delete dev vec0 root").returncode == 0
    assert "netem" not in lab.ssh("pi1", "sudo tc qdisc show dev vec0").stdout


def test_an_unknown_host_key_is_refused(lab: VirtualLab) -> None:
    known_hosts = lab.folder / "known_hosts"
    right = known_hosts.read_text(encoding="utf-8")
    names = [line.split() for line in right.splitlines()]
    try:
        known_hosts.write_text(f"{names[0][0]} ssh-ed25519 {names[1][2]}\n", encoding="utf-8")
        for pi in ("pi1", "pi3"):
            done = lab.ssh(pi, "true")
            assert done.returncode != 0
            assert "Host key verification failed" in done.stderr
    finally:
        known_hosts.write_text(right, encoding="utf-8")
    assert lab.ssh("pi1", "true").returncode == 0


def test_the_labs_network_is_not_this_machines(lab: VirtualLab) -> None:
    assert not {"lab0", "pi1"} & set(psutil.net_if_addrs())
    inside = lab.run(lab.folder / "enter", "ip", "-brief", "link").stdout
    assert "lab0" in inside
    assert lab.run(lab.folder / "enter", "ping", "-c", "1", "-W", "5", "10.83.0.13").returncode == 0


def test_a_plug_that_is_pulled_is_put_in_again(lab: VirtualLab, mended: VirtualLab) -> None:
    assert lab.ssh("pi2", "echo kept > note && sync").returncode == 0
    pid = lab.pid("pi2")
    of_pi2 = lab.processes("pi2")
    assert len(of_pi2) > 1

    os.kill(pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(of_pi2, timeout=10)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    assert unreachable(lab) == ["pi2"]

    again = lab.play()
    assert_succeeds(again)
    assert changed(again) == 1
    assert lab.ssh("pi2", "cat note; systemctl is-system-running").stdout.split() == ["kept", "running"]


def test_a_lab_whose_network_is_gone_is_mended(lab: VirtualLab, mended: VirtualLab) -> None:
    os.kill(int((lab.folder / "network.pid").read_text(encoding="ascii")), signal.SIGKILL)
    assert_succeeds(lab.play())
    assert unreachable(lab) == []


def test_a_lab_grows_and_shrinks(lab: VirtualLab, mended: VirtualLab) -> None:
    assert_succeeds(lab.play("pis=1"))
    assert list(lab.inventory()) == ["pi1"]
    assert [folder.name for folder in (lab.folder / "pis").iterdir()] == ["pi1"]
    assert lab.processes("pi3") == []
    assert_succeeds(lab.play("pis=2"))
    assert unreachable(lab) == []
    again = lab.play()
    assert changed(again) == 0
    assert list(lab.inventory()) == ["pi1", "pi2"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["virtual_pi_suite=bokworm"], "bokworm"),
        (["virtual_pi_uml_deb=none.deb"], "none.deb cannot be read"),
    ],
)
def test_bad_settings_are_named(lab: VirtualLab, settings: list[str], says: str) -> None:
    assert_fails_saying(lab.play(*settings), "error: ", says)


def test_a_pi_for_which_there_is_no_memory_is_named(lab: VirtualLab, mended: VirtualLab) -> None:
    done = lab.play("pis=4", "virtual_pi_memory_mb=999999999")
    assert_fails_saying(done, "error: ", "/dev/shm has", "pi4")


def test_nothing_is_left_but_the_base_root(lab: VirtualLab) -> None:
    interfaces, mounts = set(psutil.net_if_addrs()), Path("/proc/mounts").read_text(encoding="utf-8")
    lab.ask("true")  # leaves connections open
    assert_succeeds(lab.play("state=absent"))
    assert lab.processes() == []
    assert not lab.folder.parent.exists()
    assert set(psutil.net_if_addrs()) == interfaces
    assert Path("/proc/mounts").read_text(encoding="utf-8") == mounts

    again = lab.play("state=absent")
    assert_succeeds(again)
    assert changed(again) == 0
