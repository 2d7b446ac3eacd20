"""What a lab requires of this machine: packages and rights; for virtual Pis also an x86-64 processor."""

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
    "check_namespaces",
    "missing_packages",
    "processor_flags",
    "tools_of_administrators",
]

# The commands that the lab runs, and their Debian packages.
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
# Those of a lab of namespaces.
_NAMESPACE_COMMANDS = {
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "taskset": "util-linux",
    "tc": "iproute2",
    "unshare": "util-linux",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HEADERS = Path("/usr/include/x86_64-linux-gnu/sys/ptrace.h"), Path("/usr/include/sys/ptrace.h")


def tools_of_administrators() -> None:
    """Extend PATH with the folders that Debian leaves out of an ordinary user's, for debugfs and others."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def processor_flags() -> frozenset[str]:
    """The feature flags of this machine's processor."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(flags.group(1).split()) if flags else frozenset()


def check_host(*, needs_compiler: bool, also: Mapping[str, str] | None = None) -> None:
    """Refuse a machine that cannot run a virtual lab.

    Args:
        needs_compiler: Whether the Pis' kernel needs a library that is compiled here (see `kernel.py`).
        also: Further required commands, each with its Debian package.

    Raises:
        HostError: Something is missing; the message names every missing package.
    """
    missing = missing_packages(needs_compiler=needs_compiler, also=also)
    if missing:
        names = " ".join(sorted(missing))
        raise HostError(f"this machine lacks packages for a virtual lab; as root: apt install {names}")
    _check_rights()


def check_namespaces() -> None:
    """Refuse a machine that cannot run a lab of namespaces.

    Raises:
        HostError: The user is not root, or packages are missing, which the message names.
    """
    if os.geteuid() != 0:
        raise HostError("a lab of namespaces needs root: run the same command as root")
    if missing := {package for command, package in _NAMESPACE_COMMANDS.items() if not shutil.which(command)}:
        names = " ".join(sorted(missing))
        raise HostError(f"this machine lacks packages for a lab of namespaces: apt install {names}")


def missing_packages(*, needs_compiler: bool, also: Mapping[str, str] | None = None) -> set[str]:
    """The missing Debian packages, except the kernel; see `check_host`."""
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
    """Refuse a machine for which no User-Mode Linux exists.

    Raises:
        HostError: The machine is not x86-64.
    """
    machine = platform.machine()
    if machine != "x86_64":
        raise HostError(f"virtual Pis need an x86-64 machine: User-Mode Linux does not exist for {machine}")


def _check_rights() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise HostError(
            "/dev/net/tun is missing, or this user may not open it; "
            "as root: modprobe tun; chmod 0666 /dev/net/tun"
        )
    done = subprocess.run(
        ["unshare", *namespaces(), "--", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and (os.geteuid() == 0 or _has_subordinate_ids()):
        return
    if os.geteuid() == 0:
        raise HostError(
            f"root cannot create a network namespace ({done.stderr.strip()}); containers need --privileged"
        )
    if done.returncode != 0:
        raise HostError(
            f"this user cannot create namespaces ({done.stderr.strip()}): run as root, or allow it "
            "(Debian: sysctl kernel.unprivileged_userns_clone=1; "
            "Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    raise HostError(
        f"{getpass.getuser()} has no subordinate ids, which unpacking Debian needs; "
        f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {getpass.getuser()}"
    )


def _has_subordinate_ids() -> bool:
    owners = {getpass.getuser(), str(os.getuid())}
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if not owners & {line.split(":")[0] for line in lines}:
            return False
    return True
