"""The host: its tc, its interfaces, their qdiscs."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecut_link.errors import LinkError, MissingModuleError
from edgecut_link.tc_lines import HANDLE, ROOTS

__all__ = [
    "build",
    "check_interface",
    "interface_of",
    "interfaces",
    "is_ours",
    "qdiscs",
    "root_of",
    "shaped_interfaces",
    "tc",
    "unshape",
]

_TWIN_HANDLE = "ec0:"
_INTERFACES = Path("/sys/class/net")


def tc(words: Sequence[str]) -> str:
    """Run tc; returns its output. Raises LinkError: tc is missing or failed."""
    done = _run("tc", words)
    if done.returncode == 0:
        return done.stdout
    message = " ".join(done.stderr.split())
    if "kind is unknown" in message:
        raise MissingModuleError(f"this kernel has no module {_missing_module(words)}: {_how_to_get_it()}")
    raise LinkError(f"tc {' '.join(words)}: {message}" + ("; are you root?" if os.geteuid() else ""))


def _run(program: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # A service's PATH may lack the folders of system programs.
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise LinkError(f"this host has no {program}: install iproute2")
    return subprocess.run([path, *words], capture_output=True, text=True, check=False)


def _missing_module(words: Sequence[str]) -> str:
    kinds = ("sch_netem", "sch_prio", "sch_tbf", "sch_htb", "cls_u32")
    return next((module for module in kinds if module[4:] in words), "for it")


def _how_to_get_it() -> str:
    release = platform.release()
    with contextlib.suppress(OSError):
        if re.search(r"^ID=ubuntu$", Path("/etc/os-release").read_text(), re.MULTILINE):
            return f"install linux-modules-extra-{release}"
    return f"install the distribution's kernel package that has its module for kernel {release}"


def qdiscs(interface: str) -> list[dict[str, Any]]:
    """All qdiscs of an interface, in the form of `tc -j`."""
    return _read_qdiscs(["dev", interface])


def shaped_interfaces() -> list[str]:
    """The interfaces with a root qdisc of this program."""
    return sorted({str(qdisc["dev"]) for qdisc in _read_qdiscs([]) if qdisc.get("root") and is_ours(qdisc)})


def _read_qdiscs(words: Sequence[str]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(tc(["-j", "qdisc", "show", *words]) or "[]")
    return result


def root_of(interface: str) -> dict[str, Any]:
    """The root qdisc of an interface; empty without one."""
    return next((qdisc for qdisc in qdiscs(interface) if qdisc.get("root")), {})


def is_ours(root: dict[str, Any]) -> bool:
    """Whether this program made the root qdisc."""
    return bool(root.get("kind") in ROOTS and root.get("handle") == HANDLE)


def _is_default(root: dict[str, Any]) -> bool:
    """Whether the kernel chose the root qdisc (handle 0), and so restores it itself."""
    return not root or root.get("handle") == "0:"


def interfaces() -> list[str]:
    """The names of all interfaces."""
    return sorted(path.name for path in _INTERFACES.iterdir())


def check_interface(interface: str) -> None:
    """Raise LinkError if this host has no such interface; the message lists its interfaces."""
    existing = interfaces()
    if interface not in existing:
        raise LinkError(f"this host has no interface {interface}; it has: {', '.join(existing)}")


def interface_of(address: str) -> str:
    """The interface with this address.

    Raises:
        LinkError: No interface has it, or only the loopback, which no other host reaches.
    """
    done = _run("ip", ["-j", "address", "show"])
    if done.returncode:
        raise LinkError(f"ip address show: {' '.join(done.stderr.split())}")
    by_address = {
        str(ipaddress.ip_address(entry["local"])): str(link["ifname"])
        for link in json.loads(done.stdout)
        for entry in link.get("addr_info", [])
        if "local" in entry
    }
    interface = by_address.get(address)
    if interface is not None and interface != "lo":
        return interface
    others = ", ".join(f"{name} {one}" for one, name in by_address.items() if name != "lo") or "none"
    problem = f"address {address} is " + ("the loopback's" if interface else "on no interface of this host")
    raise LinkError(f"{problem}; its addresses: {others}")


def _words_to_restore(interface: str) -> list[str] | None:
    """The tc words that restore the present root qdisc; None if the kernel restores it itself.

    Raises LinkError: it is someone else's, and too complex to restore.
    """
    root = root_of(interface)
    if _is_default(root):
        return None
    refusal = LinkError(
        f"interface {interface} has a qdisc of its own ({root.get('kind')} {root.get('handle')}) that cannot "
        f"be restored afterwards: remove it (tc qdisc del dev {interface} root), or use another interface"
    )
    if any("parent" in qdisc for qdisc in qdiscs(interface)):
        raise refusal
    words = tc(["qdisc", "show", "dev", interface, "root"]).split()
    options = words[words.index("root") + 1 :]
    if options[:1] == ["refcnt"]:
        options = options[2:]
    words = [str(root["kind"]), *(re.sub(r"^(\d+)[pb]$", r"\1", word) for word in options)]
    try:
        # Replacing it with its twin shows that it can be restored; if that fails, the qdisc stays.
        tc(["qdisc", "replace", "dev", interface, "root", "handle", _TWIN_HANDLE, *words])
    except LinkError as error:
        raise refusal from error
    return ["handle", str(root["handle"]), *words]


def build(
    interface: str, lines: Sequence[Sequence[str]], otherwise: Sequence[Sequence[str]]
) -> list[str] | None:
    """Shape an interface completely or not at all; returns the tc words that restore its former qdisc.

    Args:
        lines: The tc lines.
        otherwise: The tc lines in place of `lines` where the kernel lacks a module for these.
    """
    restore = _words_to_restore(interface)
    try:
        if restore is not None:
            tc(["qdisc", "del", "dev", interface, "root"])
        try:
            for line in lines:
                tc(line)
        except MissingModuleError:
            unshape(interface, None)
            for line in otherwise:
                tc(line)
    except BaseException:
        unshape(interface, restore)
        raise
    return restore


def unshape(interface: str, restore: Sequence[str] | None) -> None:
    """Remove the root qdisc, and restore the former one unless the kernel does."""
    if not _is_default(root_of(interface)):
        tc(["qdisc", "del", "dev", interface, "root"])
    if restore is not None:
        tc(["qdisc", "add", "dev", interface, "root", *restore])
