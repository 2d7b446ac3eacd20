#!/usr/bin/python
"""Check a device before anything on it is changed: gather its facts and its problems.

It runs on the device, under the device's own Python (3.8 or newer, no packages), and changes nothing.
"""

from __future__ import annotations

import errno
import glob
import os
import platform
import re
import shutil
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.edgecut_facts import answer, find_command, gather, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Facts = dict[str, Any]

CHECKS = ["system", "architecture", "python", "address", "names", "port", "disk", "memory", "clock", "netem"]
CHECKS += ["temperature", "cuda"]
ARCHITECTURES = ("x86_64", "aarch64")
MAGIC = b"EDGECUT\0"  # the first 8 of the 16 bytes with which a worker opens every connection
# A worker's memory beside the weights: interpreter, numpy, ONNX Runtime, buffers.
RUNTIME_BYTES = 200_000_000
MOST_CLOCK_ERROR_S = 60
HOT_C = 80
# The bits of `vcgencmd get_throttled` for the present; higher bits are for the time since boot.
THROTTLED = {1 << 0: "its voltage is too low", 1 << 1: "its frequency is capped", 1 << 2: "it is throttled"}
SOFT_LIMIT = 1 << 3
FIRMWARE_THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"


class Problem(NamedTuple):
    """A problem and its remedy."""

    check: str
    what: str
    do: str


# --- judging -----------------------------------------------------------------------------------


def judge_system(system: str, supported: Sequence[str], *, has_systemd: bool) -> list[Problem]:
    """Check that the roles support this operating system."""
    if not has_systemd:
        do = "use a system that systemd runs, or an inventory with service_manager: process"
        return [Problem("system", "it is not run by systemd", do)]
    if system in supported:
        return []
    do = f"supported are {', '.join(sorted(supported))}; to try it as one of these: -e provision_os=debian_12"
    return [Problem("system", f"its operating system, {system}, is not known", do)]


def judge_architecture(architecture: str) -> list[Problem]:
    """Check that wheels exist."""
    if architecture in ARCHITECTURES:
        return []
    if architecture in ("armv6l", "armv7l"):
        do = "install the 64-bit Raspberry Pi OS (a Raspberry Pi 3 or newer)"
    else:
        do = "use a device of architecture x86_64 or aarch64"
    return [
        Problem(
            "architecture", f"onnxruntime has no wheels for {architecture}, its system's architecture", do
        )
    ]


def judge_python(python: str | None, own: str, system: Facts, *, can_install: bool) -> list[Problem]:
    """Check that the worker has a Python, or that the roles can install one."""
    if python or (can_install and system.get("provision_python_package")):
        return []
    if system.get("provision_python_package"):
        do = f"have an administrator run: apt install {system['provision_python_package']}"
    else:
        do = "install Python 3.11, 3.12 or 3.13 with its module venv"
    what = f"it has no Python 3.11 to 3.13 (its own is {own}; a service cannot use those in homes)"
    return [Problem("python", what, do)]


def judge_address(
    address: str, data_interface: str | None, interfaces: Facts | None, device: str
) -> list[Problem]:
    """Check that the address for other devices is this device's own, on the interface that is shaped."""
    if interfaces is None or not address:
        return []
    own = ", ".join(f"{name} {' '.join(has)}" for name, has in interfaces.items() if name != "lo")
    if not any(address in has for has in interfaces.values()):
        what = f"address {address} is on no interface of {device}; its addresses: {own or 'none'}"
        return [Problem("address", what, "set `host` of this device to one of these addresses")]
    if data_interface and address not in interfaces.get(data_interface, []):
        what = f"address {address} is not on data_interface {data_interface}; its addresses: {own}"
        return [Problem("address", what, "set `data_interface` to the interface with the address of `host`")]
    return []


def judge_name(device: str, other: str, host: str, address: str, found: Sequence[str]) -> list[Problem]:
    """Check that a device finds another one where its worker listens.

    Args:
        device: The device that will connect.
        other: The other device.
        host: The other's `host`.
        address: The other's address, by which the controller knows it.
        found: What `host` resolves to on the device.
    """
    if address in found:
        return []
    do = f"put `{address} {host}` into /etc/hosts on {device}, or set `host` of {other} to {address}"
    if found:
        what = (
            f"{device} resolves {host}, the `host` of {other}, to {found[0]}, and the controller to {address}"
        )
    else:
        what = f"{device} cannot resolve {host}, the `host` of {other}"
    return [Problem("names", what, do)]


def judge_disk(path: str, free_bytes: int, needed_bytes: int) -> list[Problem]:
    """Check that the files to copy fit."""
    if free_bytes >= needed_bytes:
        return []
    what = f"{path} has {free_bytes / 1e6:.0f} MB free, and {needed_bytes / 1e6:.0f} MB are needed"
    do = f"make room on the file system of {path} (sudo apt clean; du -xh / | sort -h)"
    return [Problem("disk", what, do)]


def judge_memory(available_bytes: int, shard_bytes: int) -> list[Problem]:
    """Check that the largest shard fits beside the runtime."""
    needed = shard_bytes + RUNTIME_BYTES
    if available_bytes >= needed:
        return []
    what = (
        f"{available_bytes / 1e6:.0f} MB of memory are available, and {needed / 1e6:.0f} MB are needed "
        f"({shard_bytes / 1e6:.0f} MB of them for the largest shard)"
    )
    do = "end other programs there, choose a smaller model, or a device with more memory"
    return [Problem("memory", what, do)]


def judge_port(setting: str, port: int, holder: str | None) -> list[Problem]:
    """Check a port; `holder` is its program, empty if unknown, None if the port is free or a worker's."""
    if holder is None:
        return []
    what = f"port {port} is taken by {holder or 'another program'}"
    return [Problem("port", what, f"stop that program, or give {setting} another value")]


def judge_clock(error_s: float) -> list[Problem]:
    """Check that the device's clock agrees with the controller's well enough for logs and certificates."""
    if abs(error_s) <= MOST_CLOCK_ERROR_S:
        return []
    way = "ahead of" if error_s > 0 else "behind"
    do = "set it (sudo date -s @$(date +%s) with the right time), and let it reach a time server: timedatectl"
    return [Problem("clock", f"its clock is {abs(error_s):.0f} s {way} the controller's", do)]


def judge_netem(facts: Facts, system: Facts) -> list[Problem]:
    """Check that links can be shaped, or that a package can bring the missing module."""
    if facts["netem"] or facts["netem_package"]:
        return []
    what = f"its kernel, {facts['kernel']}, has no module sch_netem, so that no link can be shaped"
    package = (system.get("provision_kernel_packages") or {}).get(facts["architecture"])
    if package:
        install = f"sudo apt install --reinstall {package} (this package brings it), reboot"
        do = f"{install}; or set shaping: emulated"
    else:
        do = "install the package of the kernel's modules that brings it; or set shaping: emulated"
    return [Problem("netem", what, do)]


def judge_temperature(throttled: int | None, celsius: float | None) -> list[Problem]:
    """Check that the device runs at its full speed now; `throttled` are the bits of vcgencmd."""
    problems = []
    do = "give it a power supply made for it, a heat sink and a fan; vcgencmd get_throttled must say 0x0"
    if throttled:
        reasons = [reason for bit, reason in THROTTLED.items() if throttled & bit]
        if throttled & SOFT_LIMIT and celsius is None:
            reasons.append("it is at its temperature limit")
        if reasons:
            problems.append(Problem("throttling", " and ".join(reasons) + " now", do))
    if celsius is not None and celsius >= HOT_C:
        problems.append(Problem("temperature", f"it is {celsius:.0f} C hot", "let it cool; give it a fan"))
    return problems


def judge_cuda(smi: str, needed_major: int) -> list[Problem]:
    """Check that the NVIDIA driver is new enough for onnxruntime-gpu; `smi` is the output of nvidia-smi."""
    do = f"install an NVIDIA driver for CUDA {needed_major} or newer and reboot; or set provider: cpu"
    version = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", smi)
    if not version:
        first = next(iter(smi.splitlines()), "there is no nvidia-smi")
        return [Problem("cuda", f"no NVIDIA driver answers ({first})", do)]
    if int(version[1]) < needed_major:
        what = f"its NVIDIA driver goes up to CUDA {version[1]}.{version[2]}, not {needed_major}"
        return [Problem("cuda", what, do)]
    return []


# --- looking -----------------------------------------------------------------------------------


def existing(path: str) -> Path:
    """The path, or its nearest existing parent."""
    here = Path(path)
    while not here.exists() and here != here.parent:
        here = here.parent
    return here


def bytes_under(path: str, prefix: Sequence[str]) -> int:
    """The size of a folder's files; 0 if it is unknown."""
    size = re.search(r"^\d+", answer(*prefix, "du", "--summarize", "--bytes", path), re.MULTILINE)
    return int(size[0]) if size else 0


def look_at_disk(folders: Sequence[Facts], prefix: Sequence[str]) -> list[Problem]:
    """Check the disks: folders on one file system need their sum, less what a deploy replaces.

    Args:
        folders: The folders, and the bytes that each needs.
        prefix: Put before a command, it runs as the worker's user.
    """
    needs: dict[int, list[Facts]] = {}
    for need in folders:
        needs.setdefault(existing(need["path"]).stat().st_dev, []).append(need)
    problems = []
    for together in needs.values():
        here = str(existing(together[0]["path"]))
        free = shutil.disk_usage(here).free
        needed = sum(need["bytes"] for need in together)
        if free < needed:
            needed = sum(max(0, need["bytes"] - bytes_under(need["path"], prefix)) for need in together)
        problems += judge_disk(here, free, needed)
    return problems


def look_at_memory(shard_bytes: int) -> list[Problem]:
    available = re.search(r"MemAvailable:\s*(\d+) kB", read("/proc/meminfo"))
    return judge_memory(int(available[1]) * 1024, shard_bytes) if available else []


def look_at_names(device: str, hosts: Facts, addresses: Facts) -> list[Problem]:
    """Check the names of all other devices: in some chain each is a neighbour."""
    problems = []
    for other, address in addresses.items():
        if other != device:
            problems += judge_name(device, other, hosts[other], address, resolve(hosts[other]))
    return problems


def resolve(host: str) -> list[str]:
    """The addresses of a name on this device."""
    try:
        return [str(known[4][0]) for known in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def look_at_port(setting: str, address: str, port: int) -> list[Problem]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            return []
        except OSError as error:
            # Another check reports an address that is not here.
            if error.errno != errno.EADDRINUSE:
                return []
    return judge_port(setting, port, None if is_worker(address, port) else holder_of(port))


def is_worker(address: str, port: int) -> bool:
    """Whether an edgecut worker answers."""
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            connection.settimeout(3)
            connection.sendall(struct.pack("<8sHBB4s", MAGIC, 1, 1, 0, bytes(4)))
            return connection.recv(len(MAGIC), socket.MSG_WAITALL) == MAGIC
    except OSError:
        return False


def holder_of(port: int) -> str:
    """The process that listens on a port; only root sees another user's."""
    tables = [line.split() for name in ("tcp", "tcp6") for line in read(f"/proc/net/{name}").splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in tables if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    # Unlike Path.glob, this skips processes that end meanwhile.
    for descriptor in glob.glob("/proc/[0-9]*/fd/*"):  # noqa: PTH207
        try:
            if os.readlink(descriptor) in inodes:
                pid = descriptor.split("/")[2]
                return f"{read(f'/proc/{pid}/comm')} (process {pid})"
        except OSError:
            continue
    return ""


def look_at_temperature() -> list[Problem]:
    vcgencmd = find_command("vcgencmd")
    bits = read(FIRMWARE_THROTTLED)  # the same, where the kernel shows it
    if vcgencmd and not bits:
        bits = answer(vcgencmd, "get_throttled").partition("throttled=0x")[2]
    reading = re.search(r"temp=([\d.]+)", answer(vcgencmd, "measure_temp")) if vcgencmd else None
    zones = [read(str(path)) for path in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    degrees = [int(zone) / 1000 for zone in zones if zone.lstrip("-").isdecimal()]
    celsius = float(reading[1]) if reading else max(degrees, default=None)
    return judge_temperature(int(bits, 16) if re.fullmatch("[0-9a-fA-F]+", bits) else None, celsius)


def look_at_cuda(needed_major: int) -> list[Problem]:
    smi = find_command("nvidia-smi")
    return judge_cuda(answer(smi) if smi else "", needed_major)


def look(parameters: Facts, facts: Facts) -> list[Problem]:
    """The problems that the requested checks find."""
    system = parameters["systems"].get(facts["os"]) or {}
    manager = parameters["service_manager"]
    own = platform.python_version()
    has_systemd = Path("/run/systemd/system").is_dir()
    ports = [(name, parameters[name]) for name in ("control_port", "data_port")]
    checks: dict[str, Callable[[], list[Problem]]] = {
        "system": lambda: judge_system(facts["os"], list(parameters["systems"]), has_systemd=has_systemd),
        "architecture": lambda: judge_architecture(facts["architecture"]),
        "python": lambda: judge_python(facts["python"], own, system, can_install=manager == "systemd"),
        "address": lambda: judge_address(
            facts["address"], parameters["data_interface"], facts["interfaces"], parameters["name"]
        ),
        "names": lambda: look_at_names(parameters["name"], parameters["hosts"], parameters["addresses"]),
        "port": lambda: [p for name, port in ports for p in look_at_port(name, facts["address"], port)],
        "disk": lambda: look_at_disk(parameters["disk"], parameters["worker_prefix"]),
        "memory": lambda: look_at_memory(parameters["largest_shard_bytes"]),
        "clock": lambda: judge_clock(time.time() - parameters["controller_time_s"]),
        "netem": lambda: judge_netem(facts, system),
        "temperature": look_at_temperature,
        "cuda": lambda: look_at_cuda(parameters["cuda_major"]),
    }
    return [problem for check in parameters["checks"] for problem in checks[check]()]


def main() -> None:
    """Run the module."""
    need = {"path": {"type": "path", "required": True}, "bytes": {"type": "int", "required": True}}
    specification = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "control_port": {"type": "int", "required": True},
        "data_port": {"type": "int", "required": True},
        "data_interface": {"type": "str"},
        "service_manager": {"type": "str", "required": True},
        "os": {"type": "str"},
        "systems": {"type": "dict", "required": True},
        "checks": {"type": "list", "elements": "str", "choices": CHECKS, "default": []},
        "hosts": {"type": "dict", "default": {}},
        "addresses": {"type": "dict", "default": {}},
        "disk": {"type": "list", "elements": "dict", "options": need, "default": []},
        "worker_prefix": {"type": "list", "elements": "str", "default": []},
        "largest_shard_bytes": {"type": "int", "default": 0},
        "controller_time_s": {"type": "float", "default": 0},
        "cuda_major": {"type": "int", "default": 0},
    }
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    facts = gather(module.params)
    problems = [problem._asdict() for problem in look(module.params, facts)]
    module.exit_json(changed=False, ansible_facts={"edgecut_device": facts}, problems=problems)


if __name__ == "__main__":
    main()
