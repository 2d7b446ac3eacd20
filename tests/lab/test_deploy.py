"""deploy.yml and teardown.yml over SSH, on three virtual Pis, as a user runs them."""

import os
import re
import shlex
import signal
import subprocess
import time

import pytest

from tests.lab.virtual_lab import VirtualLab, assert_fails_saying, assert_succeeds, changed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

PIS = ["pi1", "pi2", "pi3"]

# What a host is made of. Left out is what changes by itself while a host runs: logs, temporary files, caches,
# logins, the state of systemd's own services, bytecode that Python writes beside its modules, and the copies
# that useradd and userdel keep of the files before.
HOST = r"""
echo packages; dpkg-query -W
echo users; cat /etc/passwd /etc/group
echo units; systemctl list-unit-files --no-legend --plain | grep -v -w transient
echo running; systemctl list-units --no-legend --plain --type=service,timer --state=active | cut -d' ' -f1 |
  grep -v -E '^(session|user|ssh@|systemd-tmpfiles|modprobe@|systemd-(hostnamed|timedated))'
echo qdiscs; tc qdisc show
echo files; find /etc /opt /usr /home /root /boot /srv /var/lib /var/spool /run/systemd/system -xdev \
  -not -path '*/__pycache__*' -not -path '/home/pi/.ansible*' -not -path '/root/.ansible*' \
  -not -path '/var/lib/systemd/*' -not -path '/var/lib/private*' -printf '%p %y %m %u %g %l\n' | sort
echo contents; find /etc -xdev -type f -not -regex '/etc/g?\(passwd\|group\|shadow\)-' -exec sha256sum {} + |
  sort -k2
"""


def hosts(lab: VirtualLab) -> dict[str, list[str]]:
    """What each Pi is made of now, a line a thing."""
    return {pi: lab.ssh(pi, f"sudo sh -c {shlex.quote(HOST)}").stdout.splitlines() for pi in PIS}


@pytest.fixture(scope="module")
def bare(lab: VirtualLab) -> dict[str, list[str]]:
    """What the hosts were made of before the first deploy."""
    found = hosts(lab)
    assert all(len(lines) > 1000 for lines in found.values())
    return found


@pytest.fixture(scope="module")
def deployed(lab: VirtualLab, bare: dict[str, list[str]]) -> VirtualLab:
    """The lab after its first deploy, which was cut in the middle and begun again."""
    cut_in_the_middle(lab)
    assert_succeeds(lab.play(playbook="deploy.yml"))
    return lab


def cut_in_the_middle(lab: VirtualLab) -> None:
    """End a deployment without a warning while the workers are being installed."""
    process = subprocess.Popen(
        lab.playbook("deploy.yml"),
        cwd=lab.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            if line.startswith("TASK [worker :"):
                time.sleep(5)
                break
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_deployment_that_was_cut_is_finished_by_the_next(deployed: VirtualLab) -> None:
    assert deployed.ask("systemctl is-active edgecut-worker") == dict.fromkeys(PIS, "active")
    status = deployed.run(
        deployed.folder / "enter",
        *deployed.python_module("controller", "status", "--lab", ".edgecut/virtual.json"),
    )
    assert status.returncode == 0, status.stderr
    assert [name for name in PIS if re.search(rf"{name}.*virtual.*tc.*idle", status.stdout)] == PIS


def test_a_second_deployment_changes_nothing(deployed: VirtualLab) -> None:
    again = deployed.play(playbook="deploy.yml")
    assert_succeeds(again)
    assert changed(again) == 0


def test_check_and_diff_find_nothing_to_do(deployed: VirtualLab) -> None:
    checked = deployed.play(playbook="deploy.yml", options=["--check", "--diff"])
    assert_succeeds(checked)
    assert changed(checked) == 0


def test_one_device_and_one_part_can_be_deployed(deployed: VirtualLab) -> None:
    assert deployed.ssh("pi2", "sudo systemctl stop edgecut-worker").returncode == 0
    again = deployed.play(playbook="deploy.yml", options=["--limit", "pi2", "--tags", "worker,lab"])
    assert_succeeds(again)
    assert changed(again) == 1
    assert "pi1" not in again.stdout
    # Ansible checks the arguments of each role whatever the tags.
    ran = re.findall(r"^TASK \[provision : (.+?)\]", again.stdout, flags=re.MULTILINE)
    assert [task for task in ran if not task.startswith("Validating arguments")] == []
    assert deployed.ssh("pi2", "systemctl is-active edgecut-worker").stdout.strip() == "active"


def test_a_worker_is_an_unprivileged_service_in_a_sandbox(deployed: VirtualLab) -> None:
    users = deployed.ask("ps -o user= -p $(systemctl show -P MainPID edgecut-worker)")
    assert users == dict.fromkeys(PIS, "edgecut")
    exposure = deployed.ssh("pi1", "systemd-analyze security edgecut-worker.service --no-pager").stdout
    found = re.search(r"Overall exposure level for edgecut-worker.service: ([\d.]+)", exposure)
    assert found, exposure
    assert float(found.group(1)) <= 3.0


def test_a_device_that_is_not_there_is_named(deployed: VirtualLab) -> None:
    os.kill(deployed.pid("pi3"), signal.SIGKILL)
    try:
        assert_fails_saying(deployed.play(playbook="deploy.yml"), "pi3")
    finally:
        assert_succeeds(deployed.play())
    # Its card is as it was, and its worker starts at boot.
    assert deployed.ssh("pi3", "systemctl is-active edgecut-worker").stdout.strip() == "active"


def test_a_host_is_then_what_it_was_before(bare: dict[str, list[str]], deployed: VirtualLab) -> None:
    assert_succeeds(deployed.play(playbook="teardown.yml"))
    after = hosts(deployed)
    for pi in PIS:
        different = sorted(set(bare[pi]) ^ set(after[pi]))
        assert not different, "\n".join(different)
    assert not (deployed.root / ".edgecut" / "virtual.json").exists()
    again = deployed.play(playbook="teardown.yml")
    assert_succeeds(again)
    assert changed(again) == 0
