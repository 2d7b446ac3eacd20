"""The lab's own network: a network namespace with a bridge, to which each device has a TAP or a veth.

The machine's own network stays as it is: none of its addresses collide with the lab's, and none of its
firewall rules apply. Without root the namespace is inside a user namespace. A sleeping process keeps both;
once it and the Pis have ended, all interfaces are gone.
"""

import json
import os
import subprocess
import time
from pathlib import Path

from .commands import run
from .errors import VirtualLabError
from .processes import running_pid, start, stop

__all__ = ["BRIDGE", "CONTROLLER_ADDRESS", "PREFIX_LENGTH", "Network"]

BRIDGE = "lab0"
CONTROLLER_ADDRESS = "10.83.0.1"
PREFIX_LENGTH = 24

_KEEPER = f"""
ip link set lo up &&
ip link add {BRIDGE} type bridge &&
ip address add {CONTROLLER_ADDRESS}/{PREFIX_LENGTH} dev {BRIDGE} &&
ip link set {BRIDGE} up &&
exec sleep infinity
"""


class Network:
    """The network of the lab in the folder `lab`."""

    def __init__(self, lab: Path) -> None:
        self._pid_file = lab / "network.pid"
        self._log = lab / "network.log"

    @property
    def is_up(self) -> bool:
        """Whether its namespace exists."""
        return running_pid(self._pid_file) is not None

    def up(self) -> bool:
        """Create it; returns False if it is up.

        Raises:
            VirtualLabError: This machine does not allow it.
        """
        if self.is_up:
            return False
        self._log.unlink(missing_ok=True)
        keeper = start(["unshare", *namespaces(), "--", "sh", "-c", _KEEPER], self._pid_file, self._log)
        while Path(f"/proc/{keeper.pid}/comm").read_text(encoding="utf-8").strip() != "sleep":
            if keeper.poll() is not None:
                self._pid_file.unlink()
                lines = self._log.read_text(encoding="utf-8").strip().splitlines() or ["no output"]
                raise VirtualLabError(f"cannot create the lab's network: {lines[-1]}")
            time.sleep(0.02)
        return True

    def down(self) -> None:
        """Remove it, if it is up."""
        if self.is_up:
            # An open connection keeps the namespace, even after the keeper has ended.
            subprocess.run(self.enter(["ip", "link", "delete", BRIDGE]), capture_output=True, check=False)
        stop(self._pid_file)
        self._log.unlink(missing_ok=True)

    def has_interface(self, name: str) -> bool:
        """Whether it is up and has an interface with this name.

        Raises:
            VirtualLabError: `ip` failed.
        """
        shown = run(self.enter(["ip", "-json", "link"])) if self.is_up else "[]"
        return any(link["ifname"] == name for link in json.loads(shown))

    def add_tap(self, name: str) -> None:
        """Add a TAP with this name to the bridge, unless it has one.

        Raises:
            VirtualLabError: `ip` failed.
        """
        if self.has_interface(name):
            return
        run(self.enter(["ip", "tuntap", "add", "dev", name, "mode", "tap"]))
        run(self.enter(["ip", "link", "set", name, "master", BRIDGE, "up"]))

    def add_veth(self, name: str, pid: int, *, peer: str, mac: str) -> None:
        """Link the network of the starting process `pid`: `name` on the bridge, `peer` in that network.

        The peer's address is `mac`: after a restart the other devices still find it under the same one.

        Raises:
            VirtualLabError: `ip` failed, or the process ended before it had a network of its own.
        """
        self.remove_interface(name)
        try:
            while _network_of(pid) == _network_of(os.getpid()):
                time.sleep(0.01)
        except OSError as error:
            raise VirtualLabError(f"{name} ended before it had a network") from error
        pair = ["type", "veth", "peer", "name", peer, "address", mac, "netns", str(pid)]
        run(self.enter(["ip", "link", "add", name, "master", BRIDGE, "up", *pair]))

    def remove_interface(self, name: str) -> None:
        """Remove an interface, if it exists."""
        if self.is_up:
            subprocess.run(self.enter(["ip", "link", "delete", name]), capture_output=True, check=False)

    def enter(self, command: list[str]) -> list[str]:
        """A command that runs `command` inside this network.

        Raises:
            VirtualLabError: The network is down.
        """
        pid = running_pid(self._pid_file)
        if pid is None:
            raise VirtualLabError("the lab is not up: run `make lab`")
        into = ["--net"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--net"]
        return ["nsenter", "--target", str(pid), *into, "--", *command]


def namespaces() -> list[str]:
    """The options of `unshare` with which this user may create a network."""
    return ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]


def _network_of(pid: int) -> Path:
    """The network namespace of a process. Raises OSError: it has ended."""
    return Path(f"/proc/{pid}/ns/net").readlink()
