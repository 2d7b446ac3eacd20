"""A device's facts: its system, Python, addresses and kernel. Runs on the device (Python 3.8 or newer)."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Facts = dict[str, Any]

PYTHONS = ((3, 13), (3, 12), (3, 11))


def read(path: str) -> str:
    """Read a file; an unreadable file is empty."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def answer(*command: str) -> str:
    """Run a command and return its output, errors included; a missing command's output is empty."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip()


def find_command(name: str) -> str | None:
    """Find a command, also in the folders of root's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/local/sbin")


def operating_system(release: str, kernel: str, *, has_rpi_issue: bool) -> str:
    """The system's name in the form of roles/provision/vars, such as debian_12, supported or not."""
    lines = (line.partition("=") for line in release.splitlines())
    words = {key: value.strip().strip('"') for key, _, value in lines}
    name = words.get("ID", sys.platform)
    if name == "raspbian" or (name == "debian" and (has_rpi_issue or "rpi" in kernel or "rpt" in kernel)):
        name = "raspberry_pi_os"
    return f"{name}_{words['VERSION_ID']}" if words.get("VERSION_ID") else name


def architecture(machine: str, pointer_bits: int) -> str:
    """The architecture of programs: a 64-bit kernel may run a 32-bit system (older Pis)."""
    if pointer_bits == 32:
        return {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return {"arm64": "aarch64", "amd64": "x86_64", "AMD64": "x86_64"}.get(machine, machine)


def find_python(*, for_all_users: bool) -> tuple[str, str] | None:
    """Find the newest Python that can create the worker's environment: its path and version."""
    names = [f"python{major}.{minor}" for major, minor in PYTHONS]
    for name in [*names, "python3", sys.executable]:
        command = find_command(name)
        # `_base_executable` sees through pyenv's shims and virtual environments.
        ask = "import sys, venv; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
        version, _, path = answer(command, "-c", ask).partition(" ") if command else ("", "", "")
        # The worker's own user may not read another's home.
        hidden = for_all_users and os.path.realpath(path).startswith(("/home/", "/root/"))
        if version in [f"{major}.{minor}" for major, minor in PYTHONS] and not hidden:
            return path, version
    return None


def addresses() -> dict[str, list[str]] | None:
    """The addresses of each interface; None if they are unknown."""
    ip = find_command("ip")
    try:
        links = json.loads(answer(ip, "-json", "addr", "show")) if ip else None
    except ValueError:
        links = None
    if links is None:
        return None
    usable = {
        link["ifname"]: [a["local"] for a in link["addr_info"] if "local" in a and a.get("scope") != "link"]
        for link in links
        if link
    }
    return {name: own for name, own in usable.items() if own}


def has_netem(kernel: str) -> bool:
    """Whether the running kernel has sch_netem: loaded, built in, or as a module whose file exists."""
    modules = Path("/lib/modules", kernel)
    if Path("/sys/module/sch_netem").exists() or "sch_netem.ko" in read(f"{modules}/modules.builtin"):
        return True
    listed = re.findall(r"^(\S*sch_netem\.ko\S*):", read(f"{modules}/modules.dep"), re.MULTILINE)
    return any((modules / path).exists() for path in listed)


def gather(parameters: Facts) -> Facts:
    """Gather the facts of the device for the other roles."""
    kernel = platform.release()
    release = read("/etc/os-release")
    system = parameters["os"] or operating_system(
        release, kernel, has_rpi_issue=Path("/etc/rpi-issue").exists()
    )
    python = find_python(for_all_users=parameters["service_manager"] == "systemd")
    interfaces = addresses()
    address = parameters["address"]
    holders = [name for name, own in (interfaces or {}).items() if address in own]
    known = parameters["systems"].get(system) or {}
    package = known.get("provision_netem_package" + ("_raspi" if kernel.endswith("-raspi") else ""))
    return {
        "os": system,
        "kernel": kernel,
        "architecture": architecture(platform.machine(), struct.calcsize("P") * 8),
        "python": python[0] if python else None,
        "python_version": python[1] if python else None,
        "address": address,
        "interface": parameters["data_interface"] or (holders[0] if holders else None),
        "interfaces": interfaces,
        "netem": has_netem(kernel),
        "netem_package": package and package.replace("KERNEL", kernel),
    }
