"""The lab's own network: a network namespace with a bridge, to which each virtual Pi has a TAP.

The machine's own network is left alone, so nothing in it can collide with the lab's addresses and no
firewall rule of it applies; without root the namespace is inside a user namespace. A process that sleeps
keeps both; when it and the Pis are gone, so are all interfaces.
"""

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
        """Whether its namespace is kept."""
        return running_pid(self._pid_file) is not None

    def up(self) -> bool:
        """Make it; False where it is there.

        Raises:
            VirtualLabError: This machine does not let us.
        """
        if self.is_up:
            return False
        self._log.unlink(missing_ok=True)
        keeper = start(["unshare", *namespaces(), "--", "sh", "-c", _KEEPER], self._pid_file, self._log)
        while Path(f"/proc/{keeper.pid}/comm").read_text(encoding="utf-8").strip() != "sleep":
            if keeper.poll() is not None:
                self._pid_file.unlink()
                said = self._log.read_text(encoding="utf-8").strip().splitlines() or ["no output"]
                raise VirtualLabError(f"the lab's network cannot be made: {said[-1]}")
            time.sleep(0.02)
        return True

    def down(self) -> bool:
        """Undo it; False where it was not there."""
        if self.is_up:
            # A connection that someone still holds keeps the namespace, whatever becomes of the keeper.
            subprocess.run(self.enter(["ip", "link", "delete", BRIDGE]), capture_output=True, check=False)
        stopped = stop(self._pid_file)
        self._log.unlink(missing_ok=True)
        return stopped

    def add_tap(self, name: str) -> None:
        """Give the bridge a TAP of that name, unless it has it.

        Raises:
            VirtualLabError: It cannot be made.
        """
        if name in run(self.enter(["ip", "-br", "link"])).split():
            return
        run(self.enter(["ip", "tuntap", "add", "dev", name, "mode", "tap"]))
        run(self.enter(["ip", "link", "set", name, "master", BRIDGE, "up"]))

    def remove_tap(self, name: str) -> None:
        """Take a TAP away, if it is there."""
        if self.is_up:
            subprocess.run(self.enter(["ip", "link", "delete", name]), capture_output=True, check=False)

    def enter(self, command: list[str]) -> list[str]:
        """A command that runs `command` inside this network.

        Raises:
            VirtualLabError: There is no network.
        """
        pid = running_pid(self._pid_file)
        if pid is None:
            raise VirtualLabError("the lab is not up: run `make lab`")
        into = ["--net"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--net"]
        return ["nsenter", "--target", str(pid), *into, "--", *command]


def namespaces() -> list[str]:
    """What `unshare` is told so that this user may make a network."""
    return ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
