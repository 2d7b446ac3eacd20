"""What this machine must bring: packages, rights, and a User-Mode Linux kernel that runs on its processor."""

import getpass
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import HostError
from .network import namespaces

__all__ = [
    "check_architecture",
    "check_host",
    "missing_packages",
    "processor_flags",
    "tools_of_administrators",
]

# What is run, and the Debian package that brings it.
_COMMANDS = {
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "genext2fs": "genext2fs",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "resize2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "taskset": "util-linux",
    "tune2fs": "e2fsprogs",
    "unshare": "util-linux",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HEADERS = Path("/usr/include/x86_64-linux-gnu/sys/ptrace.h"), Path("/usr/include/sys/ptrace.h")


def tools_of_administrators() -> None:
    """Let an ordinary user find what Debian keeps out of its PATH, such as debugfs."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def processor_flags() -> frozenset[str]:
    """The features that this machine's processor says it has."""
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def check_host(*, needs_compiler: bool, also: Mapping[str, str] | None = None) -> None:
    """Refuse a machine that cannot run a virtual lab.

    Args:
        needs_compiler: The kernel of the Pis needs a library that is compiled here (see `kernel.py`).
        also: Further commands that must exist, each with its Debian package.

    Raises:
        HostError: Something is missing; the message names every missing package.
    """
    missing = missing_packages(needs_compiler=needs_compiler, also=also)
    if missing:
        names = " ".join(sorted(missing))
        raise HostError(f"packages that a virtual lab needs are missing; as root: apt install {names}")
    _check_rights()


def missing_packages(*, needs_compiler: bool, also: Mapping[str, str] | None = None) -> set[str]:
    """Debian packages that are not installed, the kernel of the Pis apart; see `check_host`."""
    commands = {**_COMMANDS, **(also or {})}
    missing = {package for command, package in commands.items() if shutil.which(command) is None}
    if not _KEYRING.exists():
        missing.add("debian-archive-keyring")
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        missing.add("uidmap")
    if needs_compiler and shutil.which("cc") is None:
        missing.add("gcc")
    if needs_compiler and not any(header.exists() for header in _HEADERS):
        missing.add("libc6-dev")
    return missing


def check_architecture() -> None:
    """Refuse a machine for which there is no User-Mode Linux.

    Raises:
        HostError: It is not x86-64.
    """
    machine = platform.machine()
    if machine != "x86_64":
        raise HostError(
            f"virtual Pis need an x86-64 machine: there is no User-Mode Linux for this one's {machine}"
        )


def _check_rights() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise HostError(
            "/dev/net/tun is missing or not open to this user; as root: modprobe tun; chmod 0666 /dev/net/tun"
        )
    done = subprocess.run(
        ["unshare", *namespaces(), "--", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and (os.geteuid() == 0 or _has_subordinate_ids()):
        return
    if os.geteuid() == 0:
        raise HostError(
            f"root may not make a network namespace here: {done.stderr.strip()}; containers need --privileged"
        )
    if done.returncode != 0:
        raise HostError(
            f"this user may not make namespaces ({done.stderr.strip()}): run as root, or allow it "
            "(Debian: sysctl kernel.unprivileged_userns_clone=1; "
            "Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    raise HostError(
        f"{getpass.getuser()} has no subordinate ids, in which Debian is unpacked; "
        f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {getpass.getuser()}"
    )


def _has_subordinate_ids() -> bool:
    owners = {getpass.getuser(), str(os.getuid())}
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if not owners & {line.split(":")[0] for line in lines}:
            return False
    return True
