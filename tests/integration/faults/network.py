"""Two hosts of network namespaces and a switch between: its cable can be pulled without either seeing it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

__all__ = ["Network", "a_network"]


@dataclass(frozen=True)
class Network:
    """`near` and `far`: an address, and what to put before a command to run it there."""

    near: str
    far: str
    near_prefix: tuple[str, ...]
    far_prefix: tuple[str, ...]
    _switch: str

    def cut(self) -> None:
        """Drop everything between the two; both still have a carrier, or think that the other has."""
        _ip("-n", self._switch, "link", "set", "far", "down")

    def join(self) -> None:
        """Put the cable back."""
        _ip("-n", self._switch, "link", "set", "far", "up")


@contextlib.contextmanager
def a_network() -> Iterator[Network]:
    """Make it, and remove it; skips the test where this may not be done."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    number = os.getpid()
    names = [f"edgecut-{role}-{number}" for role in ("near", "far", "switch")]
    near, far, switch = names
    subnet = f"10.213.{number % 256}"
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for port, host, address in (("near", near, f"{subnet}.1"), ("far", far, f"{subnet}.2")):
            _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
            _ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", host, "link", "set", interface, "up")
        prefixes = [("ip", "netns", "exec", name) for name in (near, far)]
        yield Network(f"{subnet}.1", f"{subnet}.2", prefixes[0], prefixes[1], switch)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
