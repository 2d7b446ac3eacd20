"""The inventory of a new lab: checked, and written with short comments."""

import getpass
import ipaddress
import re
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import yaml

from controller.errors import LabError
from worker.wire.security import CONTROLLER

__all__ = [
    "LINKS",
    "LINKS_WITHOUT_ROOT",
    "NewDevice",
    "NewLab",
    "check_how",
    "check_lab_name",
    "own_user",
    "write",
]

LINKS: Final = ("tc", "emulated", "none")
LINKS_WITHOUT_ROOT: Final = ("emulated", "none")

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LAB: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]*")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}")
# Ansible's own words, and the controller's name in results.
_RESERVED: Final = {CONTROLLER, "all", "devices", "localhost", "log", "ungrouped"}
_SHIPPED: Final = {"local", "namespaces", "unequal", "virtual"}

_HOSTS = """---
# Devices in the order of the chain: requests begin on the first (the camera is there), and the last may do
# most of the computing. docs/setup.md lists what else may be set for a device, here or in host_vars/NAME.yml.
devices:
  hosts:
"""
_DEVICES = """---
# Settings of all devices of this lab; hosts.yml and host_vars/NAME.yml override them for one device.
ansible_user: {user}    # the user that Ansible logs in as, with an SSH key

# tc: each device shapes its own link, which needs root there. emulated: the workers delay their frames
# themselves. none: the links stay as they are.
shaping: {links}

# systemd: a service of the device, which needs root to install. systemd_user: a service of ansible_user,
# without root.
service_manager: {manager}

# If sudo asks for a password, add --ask-become-pass to `edgecut deploy` and its like (docs/setup.md).
"""
_ALL = """---
lab_name: {name}    # in results and reports, and the name of the lab file
"""


@dataclass(frozen=True)
class NewDevice:
    """A device as the user describes it.

    Attributes:
        user: Of the login; by default the lab's.
        interface: The one that carries the data, where the address does not tell.
    """

    name: str
    address: str
    user: str | None = None
    interface: str | None = None

    @classmethod
    def parse(cls, text: str) -> "NewDevice":
        """Read `NAME=[USER@]ADDRESS[,INTERFACE]`.

        Raises:
            LabError: The text has another form, or a part is not what it must be.
        """
        form = re.fullmatch(
            r"(?P<name>[^=]*)=((?P<user>[^@]*)@)?(?P<address>[^,@]*)(,(?P<interface>.*))?", text
        )
        if form is None:
            raise LabError(
                f"--device {text}: write NAME=ADDRESS, as in pi1=192.168.1.11 or pi1=pi@192.168.1.11,eth0"
            )
        device = cls(form["name"], form["address"], form["user"], form["interface"])
        device.check()
        return device

    def check(self) -> None:
        """Refuse what no device may have.

        Raises:
            LabError: A part is not what it must be.
        """
        if self.name in _RESERVED:
            raise LabError(f"{self.name!r} is a reserved name; rename this device")
        if not _HOST.fullmatch(self.name):
            raise LabError(f"{self.name!r} is no host name: letters, digits and hyphens, as in pi1")
        if not _is_address(self.address):
            raise LabError(f"{self.name}: {self.address!r} is neither an IP address nor a host name")
        if _is_loopback(self.address):
            raise LabError(
                f"{self.name}: the other devices cannot reach {self.address}; give the address that they use"
            )
        if self.user is not None and not _USER.fullmatch(self.user):
            raise LabError(f"{self.name}: {self.user!r} is no user name, as in pi")
        if self.interface is not None and not _INTERFACE.fullmatch(self.interface):
            raise LabError(f"{self.name}: {self.interface!r} is no interface, as in eth0")

    @property
    def is_this_machine(self) -> bool:
        """Whether an interface of this machine has its address."""
        own = {each.address for interface in psutil.net_if_addrs().values() for each in interface}
        try:
            return bool({info[4][0] for info in socket.getaddrinfo(self.address, None)} & own)
        except OSError:
            return False  # a name that this machine does not know; the preflight says so


@dataclass(frozen=True)
class NewLab:
    """A lab as the user describes it.

    Attributes:
        user: Of the devices that name none.
        links: How networks are made, one of LINKS.
        with_root: Whether Ansible may become root on the devices.
    """

    name: str
    devices: Sequence[NewDevice]
    user: str = "pi"
    links: str = "tc"
    with_root: bool = True

    def check(self) -> None:
        """Refuse a lab that `deploy` would refuse.

        Raises:
            LabError: A part is not what it must be.
        """
        check_lab_name(self.name)
        for device in self.devices:
            device.check()
        names = [device.name for device in self.devices]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise LabError(f"two devices are named {twice!r}; rename one of them")
        if len(names) < 2:
            raise LabError("a lab has two devices or more, a first and a last")
        check_how(self.user, self.links, with_root=self.with_root)


def check_how(user: str, links: str | None, *, with_root: bool) -> None:
    """Refuse a login and links that no lab may have.

    Args:
        links: One of LINKS; None where it is not known yet.

    Raises:
        LabError: One of them cannot be, or links shaped by tc are to do without root.
    """
    if not _USER.fullmatch(user):
        raise LabError(f"--user {user}: no user name, as in pi")
    if links is not None and links not in LINKS:
        raise LabError(f"--links {links}: choose one of {', '.join(LINKS)}")
    if links == "tc" and not with_root:
        raise LabError("--links tc needs root on the devices; choose emulated or none, or drop --no-root")


def check_lab_name(name: str) -> None:
    """Refuse a name that no lab may have.

    Raises:
        LabError: It is no folder's name, or one of a lab that comes with edgecut.
    """
    if not _LAB.fullmatch(name):
        raise LabError(f"{name!r} is no name of a lab: lower-case letters, digits, - and _, as in mylab")
    if name in _SHIPPED:
        raise LabError(f"{name!r} is a lab that comes with edgecut; choose another name")


def write(lab: NewLab, folder: Path, *, force: bool = False) -> None:
    """Write the inventory of a lab.

    Args:
        folder: The inventory's own folder.
        force: Replace what is there.

    Raises:
        LabError: The lab cannot be, or the folder exists.
    """
    lab.check()
    if folder.exists() and not force:
        raise LabError(f"{folder} exists; choose another name, or replace it with --force")
    manager = "systemd" if lab.with_root else "systemd_user"
    texts = {
        "hosts.yml": _HOSTS + "".join(_host(device, lab.user) for device in lab.devices),
        "group_vars/all.yml": _ALL.format(name=_scalar(lab.name)),
        "group_vars/devices.yml": _DEVICES.format(
            user=_scalar(lab.user), links=_scalar(lab.links), manager=manager
        ),
    }
    # The old inventory goes only once the new one is whole.
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    for name, text in texts.items():
        path = beside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    beside.rename(folder)


def _host(device: NewDevice, user: str) -> str:
    lines = [f"    {_scalar(device.name)}:", f"      ansible_host: {_scalar(device.address)}"]
    login = device.user or (own_user(user) if device.is_this_machine else user)
    if login != user:
        lines.append(f"      ansible_user: {_scalar(login)}")
    if device.interface is not None:
        lines.append(f"      data_interface: {_scalar(device.interface)}    # tc shapes it")
    if device.is_this_machine:
        lines.append("      ansible_connection: local    # the playbooks run on this machine")
    return "".join(f"{line}\n" for line in lines)


def own_user(otherwise: str) -> str:
    """Who runs this; some containers' users have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return otherwise


def _scalar(text: str) -> str:
    """A text as YAML, in quotes where it would mean something else, as `on` and 020."""
    return str(yaml.safe_dump(text, default_flow_style=True)).splitlines()[0]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # Digits and dots alone are a mistyped address.
        labels = text.split(".")
        return all(map(_HOST.fullmatch, labels)) and not all(label.isdecimal() for label in labels)
    return True


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text == "localhost"
