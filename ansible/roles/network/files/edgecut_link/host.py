"""The host as it is: its tc, its interfaces, their qdiscs."""

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

from edgecut_link.errors import LinkError
from edgecut_link.tc_lines import HANDLE

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
    """Run tc; returns what it prints. Raises LinkError: it is not there, or refuses."""
    done = _run("tc", words)
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split())
    if "kind is unknown" in said:
        raise LinkError(f"this kernel has no {_missing_module(words)}: {_how_to_get_it()}")
    raise LinkError(f"tc {' '.join(words)}: {said}" + ("; are you root?" if os.geteuid() else ""))


def _run(program: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # A service's PATH may lack the folders of system programs.
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise LinkError(f"there is no {program} on this host: install iproute2")
    return subprocess.run([path, *words], capture_output=True, text=True, check=False)


def _missing_module(words: Sequence[str]) -> str:
    return next((kind for kind in ("netem", "prio", "u32") if kind in words), "such qdisc")


def _how_to_get_it() -> str:
    release = platform.release()
    with contextlib.suppress(OSError):
        if re.search(r"^ID=ubuntu$", Path("/etc/os-release").read_text(), re.MULTILINE):
            return f"install linux-modules-extra-{release}"
    return f"its module is not there for kernel {release}; the distribution's own kernel package brings it"


def qdiscs(interface: str) -> list[dict[str, Any]]:
    """All qdiscs of an interface, as tc tells them."""
    found: list[dict[str, Any]] = json.loads(tc(["-j", "qdisc", "show", "dev", interface]) or "[]")
    return found


def shaped_interfaces() -> list[str]:
    """The interfaces whose root qdisc this program made."""
    found = json.loads(tc(["-j", "qdisc", "show"]) or "[]")
    return sorted({str(qdisc["dev"]) for qdisc in found if qdisc.get("root") and is_ours(qdisc)})


def root_of(interface: str) -> dict[str, Any]:
    """The qdisc at the root of an interface; empty without one."""
    return next((qdisc for qdisc in qdiscs(interface) if qdisc.get("root")), {})


def is_ours(root: dict[str, Any]) -> bool:
    """Whether this program made that root qdisc."""
    return bool(root.get("kind") == "prio" and root.get("handle") == HANDLE)


def _is_default(root: dict[str, Any]) -> bool:
    """The kernel gives handle 0 to what it chose itself, and puts that back on its own."""
    return not root or root.get("handle") == "0:"


def interfaces() -> list[str]:
    """The names of all interfaces."""
    return sorted(path.name for path in _INTERFACES.iterdir())


def check_interface(interface: str) -> None:
    """Raise LinkError: there is no such interface; names those that there are."""
    there = interfaces()
    if interface not in there:
        raise LinkError(f"there is no interface {interface} on this host; there are: {', '.join(there)}")


def interface_of(address: str) -> str:
    """The interface that has this address.

    Raises:
        LinkError: None has, or only the loopback, which nothing from elsewhere passes.
    """
    done = _run("ip", ["-j", "address", "show"])
    if done.returncode:
        raise LinkError(f"ip address show: {' '.join(done.stderr.split())}")
    by_address = {
        str(ipaddress.ip_address(found["local"])): str(link["ifname"])
        for link in json.loads(done.stdout)
        for found in link.get("addr_info", [])
        if "local" in found
    }
    interface = by_address.get(address)
    if interface is not None and interface != "lo":
        return interface
    there = ", ".join(f"{name} {one}" for one, name in by_address.items() if name != "lo") or "none"
    what = f"address {address} is " + ("the loopback's" if interface else "on no interface of this host")
    raise LinkError(f"{what}; there are: {there}")


def _words_to_restore(interface: str) -> list[str] | None:
    """What makes the present root qdisc again; None where the kernel does so by itself.

    Raises LinkError: it is somebody's, and too much to be made again.
    """
    root = root_of(interface)
    if _is_default(root):
        return None
    refusal = LinkError(
        f"interface {interface} has a qdisc of its own ({root.get('kind')} {root.get('handle')}) that could "
        f"not be put back as it was: remove it (tc qdisc del dev {interface} root), or use another interface"
    )
    if any("parent" in qdisc for qdisc in qdiscs(interface)):
        raise refusal
    told = tc(["qdisc", "show", "dev", interface, "root"]).split()
    options = told[told.index("root") + 1 :]
    if options[:1] == ["refcnt"]:
        options = options[2:]
    words = [str(root["kind"]), *(re.sub(r"^(\d+)[pb]$", r"\1", word) for word in options)]
    try:
        # Its twin in its place shows that it can be made again; where not, it stays as it is.
        tc(["qdisc", "replace", "dev", interface, "root", "handle", _TWIN_HANDLE, *words])
    except LinkError as error:
        raise refusal from error
    return ["handle", str(root["handle"]), *words]


def build(interface: str, lines: Sequence[Sequence[str]]) -> list[str] | None:
    """Shape an interface, whole or not at all; returns what makes its former qdisc again."""
    restore = _words_to_restore(interface)
    try:
        if restore is not None:
            tc(["qdisc", "del", "dev", interface, "root"])
        for line in lines:
            tc(line)
    except BaseException:
        unshape(interface, restore)
        raise
    return restore


def unshape(interface: str, restore: Sequence[str] | None) -> None:
    """Remove the root qdisc, and make the former one again where the kernel does not by itself."""
    if not _is_default(root_of(interface)):
        tc(["qdisc", "del", "dev", interface, "root"])
    if restore is not None:
        tc(["qdisc", "add", "dev", interface, "root", *restore])
