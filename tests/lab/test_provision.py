"""The roles preflight and provision on virtual Pis: what they refuse, what they change, that it is undone."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.virtual_lab import VirtualLab, assert_fails_saying, assert_succeeds, changed

# The first lab downloads Debian, and machines with tests on them are slow.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

PREFLIGHT = """
- hosts: devices
  gather_facts: false
  roles: [preflight]
"""
PROVISION = """
- hosts: devices
  gather_facts: false
  roles: [provision]
"""
ABSENT = """
- hosts: devices
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: provision
        tasks_from: absent
"""

# What a device is compared by: packages, users, units, qdiscs, and every file, in /etc with its content.
STATE = """
dpkg-query --show -f 'package ${Package} ${Version} ${db:Status-Abbrev}\\n'
sed 's/^/user /' /etc/passwd /etc/group /etc/shadow
systemctl list-unit-files --no-legend | awk '$2 != "transient" {print "unit", $1, $2}'
systemctl is-active systemd-timesyncd.service | sed 's/^/time /'
cat /sys/devices/system/cpu/cpufreq/policy0/scaling_governor | sed 's/^/governor /'
tc qdisc show | sed 's/^/qdisc /'
find / -xdev ! -type d -printf 'file %m %u %g %s %l %p\\n'
find / -xdev -type d -printf 'folder %m %u %g %p\\n'
find /etc -xdev -type f -exec md5sum {} + | sed 's/^/content /'
"""
NOT_COMPARED = {
    "/etc/passwd-": "backups that useradd and userdel keep of the files before",
    "/etc/group-": "the same",
    "/etc/shadow-": "the same",
    "/etc/gshadow-": "the same",
    "/etc/ld.so.cache": "made from the libraries that are there, in the order of their files",
    "/var/cache/": "caches: the linker's, apt's",
    "/var/lib/apt/": "what apt knows of its sources, and which packages came along",
    "/var/lib/dpkg/": "dpkg's own state; compared as packages",
    "/var/lib/systemd/": "clocks, timers and enablement of systemd; compared as units",
    "/var/log/": "logs",
    "/tmp/": "Ansible's and systemd's own",
    "/var/tmp/": "the same",
    "/home/pi/.ansible": "Ansible's own folder for modules that run without root",
    "/root/.ansible": "Ansible's own folder for modules that run as root",
}


class Devices:
    """A lab of two virtual Pis, and small playbooks that run single roles on them."""

    def __init__(self, lab: VirtualLab) -> None:
        self.lab = lab
        for name, text in (("preflight", PREFLIGHT), ("provision", PROVISION), ("absent", ABSENT)):
            (lab.root / "ansible" / f"{name}.yml").write_text(text)

    def play(self, playbook: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run one of the playbooks."""
        command = (sys.executable, "-m", "ansible", "playbook", "-i", "inventory/virtual")
        return self.lab.run(*command, f"ansible/{playbook}.yml", *options)

    def root(self, pi: str, script: str) -> str:
        """Run a shell script as root; returns what it prints."""
        done = self.lab.ssh(pi, f"sudo sh -c {_quoted('set -e' + chr(10) + script)}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def copy(self, pi: str, file: Path, to: str) -> None:
        """Copy a file to a Pi."""
        done = self.lab.run("scp", "-qF", self.lab.folder / "ssh_config", file, f"{pi}:{to}")
        assert done.returncode == 0, done.stderr

    def state(self, pi: str) -> set[str]:
        """All by which a device is compared."""
        lines = self.root(pi, STATE).splitlines()
        return {line for line in lines if not any(path in line for path in NOT_COMPARED)}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, str]]:
    """The rows of the table, its broken lines put together."""
    text = done.stdout.rpartition("What is wrong where:\n")[2].partition("\n\n")[0]
    head, rule, *lines = textwrap.dedent(text).splitlines()
    columns = [slice(*column.span()) for column in re.finditer("-+", rule)]
    names = [head[column].strip() for column in columns]
    found: list[dict[str, str]] = []
    for line in lines:
        cells = {name: line[column].strip() for name, column in zip(names, columns, strict=True)}
        if cells["device"]:
            found.append(cells)
        else:
            found[-1] = {name: f"{found[-1][name]} {cell}".strip() for name, cell in cells.items()}
    return found


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devices]:
    """Two virtual Pis, up."""
    lab = VirtualLab(tmp_path_factory.mktemp("a lab") / "edge cut")
    with lab.up("pis=2"):
        yield Devices(lab)


def test_all_that_is_wrong_on_all_devices_is_one_table(devices: Devices) -> None:
    variables = devices.lab.root / "inventory/virtual/host_vars/pi1.yml"
    before = variables.read_text()
    variables.write_text("host: 10.0.0.9\n")
    kernel = devices.root("pi2", "uname -r").strip()
    module = f"/lib/modules/{kernel}/kernel/net/sched/sch_netem.ko"
    devices.root(
        "pi2",
        f"mv {module} /srv/; fallocate -l $(($(df --output=avail -B1 / | tail -1) - 100000000)) /srv/big; "
        "date -s -2hours; systemd-run --quiet --unit=stranger python3 -m http.server 7101",
    )
    devices.root("pi2", "until ss -ltn | grep -q :7101; do sleep 0.2; done")
    done = devices.play("preflight")
    devices.root(
        "pi2", f"systemctl stop stranger; date -s +2hours; rm /srv/big; mv /srv/sch_netem.ko {module}"
    )
    variables.write_text(before)

    assert_fails_saying(done)
    assert changed(done) == 0
    told = {(row["device"], row["check"]): row for row in rows(done)}
    assert set(told) == {
        ("pi1", "address"),
        *(("pi2", check) for check in ("disk", "port", "clock", "netem")),
    }
    assert told["pi1", "address"]["what is wrong"] == (
        "address 10.0.0.9 is on no interface of pi1; its addresses: vec0 10.83.0.11"
    )
    assert "MB free, and 600 MB are needed" in told["pi2", "disk"]["what is wrong"]
    assert "port 7101 is taken by python3 (process " in told["pi2", "port"]["what is wrong"]
    assert "behind the controller's" in told["pi2", "clock"]["what is wrong"]
    assert "linux-image-amd64" in told["pi2", "netem"]["what to do"]
    assert_succeeds(devices.play("preflight"))


def test_a_system_that_wheels_or_roles_do_not_know_is_refused(devices: Devices) -> None:
    # An interpreter that tells of another machine, and has no module venv, as a host without a fit Python.
    devices.root(
        "pi1",
        "mkdir /srv/site; echo 'raise ImportError' >/srv/site/venv.py; "
        "echo 'import platform; platform.machine = lambda: \"riscv64\"' >/srv/site/sitecustomize.py; "
        "printf '#!/bin/sh\\nPYTHONPATH=/srv/site exec /usr/bin/python3 \"$@\"\\n' >/srv/python; "
        "chmod 755 /srv/python",
    )
    variables = devices.lab.root / "inventory/virtual/host_vars/pi1.yml"
    before = variables.read_text()
    variables.write_text("ansible_python_interpreter: /srv/python\n")
    done = devices.play("preflight", "-e", "provision_os=debian_11", "--limit", "pi1")
    variables.write_text(before)
    devices.root("pi1", "rm -r /srv/python /srv/site")
    told = {row["check"]: row for row in rows(done)}
    assert "no wheels for riscv64" in told["architecture"]["what is wrong"]
    assert "no Python 3.11 to 3.13 (its own is 3.11.2" in told["python"]["what is wrong"]
    assert "debian_11, is not known" in told["system"]["what is wrong"]
    assert "raspberry_pi_os_12" in told["system"]["what to do"]

    assert_fails_saying(
        devices.play("provision", "-e", "provision_os=plan_9", "--limit", "pi1"),
        "pi1: its operating system, plan_9, is not known; supported are debian_12",
    )


def test_devices_that_ssh_does_not_reach_are_in_the_table(devices: Devices, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    settings = devices.lab.folder / "ssh_config"
    text = settings.read_text()
    for number, (line, other) in enumerate(
        (("IdentityFile", tmp_path / "key"), ("UserKnownHostsFile", "none"))
    ):
        changed_text = "\n".join(
            f'    {line} "{other}"' if old.strip().startswith(line + " ") else old
            for old in text.splitlines()
        )
        (tmp_path / f"config{number}").write_text(changed_text)
    folder = devices.lab.root / "inventory/virtual/host_vars"
    before = (folder / "pi1.yml").read_text()
    for number, pi in enumerate(("pi1", "pi2")):
        (folder / f"{pi}.yml").write_text(
            f"ansible_ssh_common_args: -F {tmp_path}/config{number} -o ControlPath=none\n"
        )
    done = devices.play("preflight")
    (folder / "pi2.yml").unlink()
    (folder / "pi1.yml").write_text(before)

    told = {row["device"]: row for row in rows(done)}
    assert "Permission denied" in told["pi1"]["what is wrong"]
    assert "ssh-copy-id" in told["pi1"]["what to do"]
    assert told["pi2"]["what is wrong"] == "Host key verification failed."
    assert "compare it" in told["pi2"]["what to do"]


def test_an_inventory_that_cannot_be_is_refused_before_any_device_is_asked(devices: Devices) -> None:
    done = devices.play("preflight", "-e", "host=10.83.0.11", "-e", "control_port=80")
    told = [(row["device"], row["what is wrong"]) for row in rows(done)]
    assert ("pi2", "control_port 80 at 10.83.0.11 is the control_port of pi1 too") in told
    assert ("pi1, pi2", "control_port is '80'") in told, "each fault once"
    assert_fails_saying(
        devices.play("preflight", "-e", "kind=pie"), "value of kind must be one of", "got: pie"
    )


# --- provision ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(devices: Devices, tmp_path_factory: pytest.TempPathFactory) -> Devices:
    """pi1 without kmod and sch_netem, but with a source of packages, a stopped clock and a governor."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.chown(folder, user="_apt")
    kmod = devices.root("pi1", "dpkg-query --show -f '${Package}=${Version}' kmod")
    # The second is what the package of modules depends on, as Ubuntu's does.
    subprocess.run(["apt-get", "-q", "download", kmod, "wireless-regdb"], cwd=folder, check=True)
    kernel = devices.root("pi1", "uname -r").strip()
    module = Path(f"lib/modules/{kernel}/kernel/net/sched/sch_netem.ko")
    (folder / "extra" / module).parent.mkdir(parents=True)
    copied = devices.lab.run(
        "scp", "-qF", devices.lab.folder / "ssh_config", f"pi1:/{module}", folder / "extra" / module
    )
    assert copied.returncode == 0, copied.stderr
    package(
        folder / "extra",
        f"linux-modules-extra-{kernel}",
        "kmod, wireless-regdb",
        postinst=f"if command -v depmod; then depmod {kernel}; fi",
    )
    (folder / "Packages").write_text(package_list(folder))
    devices.root("pi1", "mkdir -m 777 /srv/source")
    for file in folder.iterdir():
        if file.is_file():
            devices.copy("pi1", file, "/srv/source/")
    devices.root(
        "pi1",
        "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; "
        "echo 'deb [trusted=yes] file:/srv/source ./' >/etc/apt/sources.list; "
        f"rm /{module}; depmod; dpkg --purge kmod; systemctl disable --now systemd-timesyncd; "
        "mount -t tmpfs none /sys/devices/system/cpu; mkdir -p /sys/devices/system/cpu/cpufreq/policy0; "
        "echo ondemand >/sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
    )
    return devices


def package(folder: Path, name: str, depends: str, postinst: str = "true") -> Path:
    """Make a Debian package of a folder, beside it."""
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nDepends: {depends}\n"
        "Maintainer: test <test@example.org>\nDescription: for a test\n"
    )
    script = folder / "DEBIAN" / "postinst"
    script.write_text(f"#!/bin/sh\n{postinst}\n")
    script.chmod(0o755)
    (folder / "DEBIAN" / "postrm").write_bytes(script.read_bytes())
    (folder / "DEBIAN" / "postrm").chmod(0o755)
    made = folder.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, made], check=True, capture_output=True)
    return made


def package_list(folder: Path) -> str:
    """What apt wants to know of a folder of packages."""
    entries = []
    for file in sorted(folder.glob("*.deb")):
        fields = subprocess.run(["dpkg-deb", "-f", file], check=True, capture_output=True, text=True).stdout
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        entries.append(f"{fields}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n")
    return "\n".join(entries)


def difference(before: set[str], after: set[str]) -> Sequence[str]:
    """What is not as it was."""
    return sorted([f"- {line}" for line in before - after] + [f"+ {line}" for line in after - before])


def test_a_run_that_was_cut_is_undone(bare: Devices) -> None:
    """No package of Debian brings netem, which provision finds out last of all."""
    before = bare.state("pi1")
    cut = bare.play("provision", "--limit", "pi1")
    midway = bare.state("pi1")
    undone = bare.play("absent", "--limit", "pi1")
    after = bare.state("pi1")

    assert_fails_saying(cut, "pi1: its kernel", "Module sch_netem not found", "package linux-image-amd64")
    assert any(line.startswith("user edgecut:") for line in midway)
    assert_succeeds(undone)
    assert difference(before, after) == []


def test_a_bare_host_is_made_fit_once_and_is_then_as_it_was(bare: Devices) -> None:
    before = bare.state("pi1")
    kernel = bare.root("pi1", "uname -r").strip()
    # Ubuntu has a package with the modules that its kernel's package lacks.
    ubuntu = ("-e", "provision_os=ubuntu_24.04")
    first = bare.play("provision", *ubuntu)
    provisioned = bare.state("pi1")
    second = bare.play("provision", *ubuntu, "--check", "--diff")
    third = bare.play("provision", *ubuntu)
    recorded = bare.root("pi1", "cat /var/lib/edgecut/provisioned/packages").split("\n")
    undone = bare.play("absent")
    after = bare.state("pi1")
    undone_again = bare.play("absent")

    for done in (first, second, third, undone, undone_again):
        assert_succeeds(done)
    assert changed(second) == changed(third) == changed(undone_again) == 0
    installed = {"kmod", f"linux-modules-extra-{kernel}", "wireless-regdb"}
    assert {line for line in recorded if line} == {f"purge {name}" for name in installed}
    new = provisioned - before
    assert {line.split()[1] for line in new if line.startswith("package ")} == installed
    (user,) = [line for line in new if line.startswith("user edgecut:x:") and "nologin" in line]
    assert ":/nonexistent:/usr/sbin/nologin" in user
    assert "governor performance" in new
    assert "time active" in new
    assert "unit edgecut-governor.service enabled" in new
    assert not any(line.startswith("qdisc ") for line in new)
    assert difference(before, after) == []


def test_what_somebody_else_installed_since_is_not_taken_away(bare: Devices, tmp_path: Path) -> None:
    """A package that needs one of ours: then ours stay, and are told."""
    assert_succeeds(bare.play("provision", "--limit", "pi1", "-e", "provision_os=ubuntu_24.04"))
    bare.copy("pi1", package(tmp_path / "needs-kmod", "needs-kmod", "kmod"), "/tmp/n.deb")
    bare.root("pi1", "dpkg -i /tmp/n.deb")
    undone = bare.play("absent", "--limit", "pi1")
    there = bare.root("pi1", "dpkg-query --show -f '${Package} ${db:Status-Status}\\n' kmod needs-kmod")
    bare.root("pi1", "rm /tmp/n.deb")
    assert_succeeds(undone)
    assert "needs-kmod, newer, would go too" in " ".join((undone.stdout + undone.stderr).split())
    assert there.split() == ["kmod", "installed", "needs-kmod", "installed"]


def test_a_forged_record_is_not_believed(bare: Devices) -> None:
    record = "/var/lib/edgecut/provisioned"
    bare.root(
        "pi2",
        f"mkdir -p {record}; echo 'ssh.service disabled' >{record}/time_sync; "
        f"echo 'purge openssh-server' >{record}/packages; chown -R daemon /var/lib/edgecut",
    )
    refused = bare.play("absent", "--limit", "pi2")
    there = bare.root(
        "pi2", "systemctl is-active ssh; dpkg-query --show -f '${db:Status-Status}' openssh-server"
    )
    bare.root("pi2", "rm -r /var/lib/edgecut")
    assert_fails_saying(refused, "pi2: /var/lib/edgecut belongs to daemon, and root works only where")
    assert changed(refused) == 0
    assert there.split() == ["active", "installed"]


def test_facts_say_what_the_device_is(devices: Devices) -> None:
    (devices.lab.root / "ansible" / "facts.yml").write_text(
        "- hosts: devices\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.include_role: {name: preflight, tasks_from: facts}\n"
        "    - ansible.builtin.copy:\n"
        '        content: "{{ ansible_facts.edgecut_device | to_json }}"\n'
        '        dest: "{{ virtual_lab }}/{{ inventory_hostname }}.json"\n'
        "      delegate_to: localhost\n"
    )
    assert_succeeds(devices.play("facts", "--limit", "pi2"))
    fact = json.loads((devices.lab.folder / "pi2.json").read_text())
    assert fact["architecture"] == "x86_64"
    assert (fact["python"], fact["python_version"]) == ("/usr/bin/python3.11", "3.11")
    assert (fact["interface"], fact["address"]) == ("vec0", "10.83.0.12")
    assert (fact["os"], fact["netem"]) == ("debian_12", True)
