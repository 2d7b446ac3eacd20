#!/usr/bin/python
"""Check the inventory's settings of all devices together, and measure the bundles for them.

It runs once, on the machine that runs the playbooks, and changes nothing.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

Device = Mapping[str, Any]

SETTINGS = ("host", "control_port", "data_port", "service_manager", "kind", "shaping")
# Lower ports need root, and no worker runs as root.
LOWEST_PORT = 1024


class Problem(NamedTuple):
    """A problem in the inventory, its device and its remedy."""

    device: str
    check: str
    what: str
    do: str


def ports_allowed(devices: Mapping[str, Device]) -> Iterator[Problem]:
    """Find ports outside the range of a worker."""
    for name, device in devices.items():
        for setting in ("control_port", "data_port"):
            port = str(device[setting])
            if not (port.isdecimal() and LOWEST_PORT <= int(port) <= 65535):
                do = f"set {setting} of this device to a number from {LOWEST_PORT} to 65535"
                yield Problem(name, "inventory", f"{setting} is '{port}'", do)


def combinations_allowed(devices: Mapping[str, Device]) -> Iterator[Problem]:
    """Find settings that exclude each other."""
    for name, device in devices.items():
        manager, kind = device["service_manager"], device["kind"]
        if device["shaping"] == "tc" and manager != "systemd" and kind != "namespace":
            what = f"shaping is tc, and service_manager {manager} has no rights to shape a link"
            yield Problem(name, "inventory", what, "set shaping: emulated, or service_manager: systemd")
        if manager == "process" and kind in ("virtual", "real"):
            what = f"kind is {kind}, and service_manager process is for processes on this machine"
            yield Problem(name, "inventory", what, "set service_manager: systemd, or kind: local")
        if manager in ("systemd", "systemd_user") and kind in ("local", "namespace"):
            what = f"kind is {kind}, and service_manager {manager} is for a device that is its own host"
            yield Problem(name, "inventory", what, "set kind: real (or virtual), or service_manager: process")


def resolve(devices: Mapping[str, Device]) -> tuple[dict[str, str], list[Problem]]:
    """Resolve each device's name to a numeric address, as this machine does."""
    addresses, problems = {}, []
    for name, device in devices.items():
        try:
            addresses[name] = str(socket.getaddrinfo(device["host"], None, type=socket.SOCK_STREAM)[0][4][0])
        except (OSError, UnicodeError) as error:
            what = f"the name {device['host']} has no address ({getattr(error, 'strerror', None) or error})"
            do = "set `host` of this device to its address, or put the name into /etc/hosts"
            problems.append(Problem(name, "address", what, do))
    return addresses, problems


def addresses_reach(addresses: Mapping[str, str]) -> Iterator[Problem]:
    """Find addresses that only the device itself reaches, in a lab whose other devices are elsewhere."""
    loopback = {name for name, address in addresses.items() if ip_address(address).is_loopback}
    for name in sorted(loopback) if loopback != set(addresses) else []:
        what = f"no other device reaches {name} at {addresses[name]}, an address within a host"
        do = f"set `host` of {name} to its address in the lab's network"
        yield Problem(name, "address", what, do)


def ports_apart(devices: Mapping[str, Device], addresses: Mapping[str, str]) -> Iterator[Problem]:
    """Find two devices with the same address and port, or a device with one port twice."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for name, device in devices.items():
        for setting in ("control_port", "data_port"):
            place = addresses.get(name, str(device["host"])), str(device[setting])
            other = seen.setdefault(place, (name, setting))
            if other == (name, setting):
                continue
            what = f"{setting} {place[1]} at {place[0]} is the {other[1]} of {other[0]} too"
            do = f"give {name} an address (`host`) or a {setting} of its own"
            yield Problem(name, "inventory", what, do)


def size_of_bundles(folders: Sequence[str]) -> tuple[int, int]:
    """The size of the largest shard, a whole model, and the size of all bundles.

    Raises:
        ValueError: A folder is not a bundle.
    """
    largest = total = 0
    for folder in folders:
        manifest = Path(folder, "manifest.json")
        try:
            files = [file for file in Path(folder).iterdir() if file.is_file()]
            weights = int(json.loads(manifest.read_text(encoding="utf-8"))["weights_bytes"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{manifest} is not a bundle's manifest ({error}): export the model again"
            ) from error
        largest = max(largest, weights)
        total += sum(file.stat().st_size for file in files)
    return largest, total


def main() -> None:
    """Run the module."""
    of_each = {name: {"type": "list", "elements": "raw", "required": True} for name in SETTINGS}
    specification = {
        "devices": {"type": "list", "elements": "str", "required": True},
        "settings": {"type": "dict", "options": of_each, "required": True},
        "bundles": {"type": "list", "elements": "path", "default": []},
    }
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    names, settings = module.params["devices"], module.params["settings"]
    devices = {name: {key: settings[key][i] for key in SETTINGS} for i, name in enumerate(names)}
    problems = [*ports_allowed(devices), *combinations_allowed(devices)]
    if len(devices) < 2:
        what = f"a pipeline needs two devices, and the inventory has {len(devices)}"
        do = "put a first and a last device into the inventory's group `devices`"
        problems.append(Problem(next(iter(devices), "-"), "inventory", what, do))
    addresses, unresolved = resolve(devices)
    problems += [*unresolved, *addresses_reach(addresses), *ports_apart(devices, addresses)]
    try:
        largest, total = size_of_bundles(module.params["bundles"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        problems=[problem._asdict() for problem in problems],
        addresses=addresses,
        largest_shard_bytes=largest,
        bundles_bytes=total,
    )


if __name__ == "__main__":
    main()
