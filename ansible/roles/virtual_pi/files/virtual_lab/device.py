"""What every device of a lab has, of whatever kind: a folder with its pid file, key and console, and SSH."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from .errors import PiError
from .network import Network
from .processes import running_pid, stop

__all__ = ["CONSOLE", "HOST_KEY", "Device"]

CONSOLE = "console.log"
HOST_KEY = "ssh_host_ed25519_key"
_ADDRESS = "address"


class Device:
    """The device `name` of the lab in the folder `lab`."""

    def __init__(self, lab: Path, name: str) -> None:
        self.name = name
        self._lab = lab
        self._folder = lab / "pis" / name
        self._pid_file = self._folder / "pid"

    @property
    def is_made(self) -> bool:
        """Whether it has all that it needs to start."""
        return (self._folder / _ADDRESS).exists()

    @property
    def address(self) -> str:
        """Its address in the lab's network; it must be made."""
        return (self._folder / _ADDRESS).read_text(encoding="ascii").strip()

    @property
    def mac(self) -> str:
        """Its interface's address on the lab's bridge."""
        return f"02:ec:00:00:00:{int(self.address.rsplit('.', 1)[1]):02x}"

    def host_key(self) -> str:
        """Its public host key, as in known_hosts; it must be made."""
        return " ".join((self._folder / f"{HOST_KEY}.pub").read_text(encoding="utf-8").split()[:2])

    def pull_plug(self) -> None:
        """End it like a power cut, if it runs."""
        stop(self._pid_file)

    def remove(self) -> bool:
        """Pull its plug and remove its folder and interface; returns False if it did not exist."""
        existed = self._folder.exists()
        self.pull_plug()
        Network(self._lab).remove_interface(self.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        return existed

    def _finish(self, address: str) -> None:
        """Mark it as made, with its address; comes last."""
        partial = self._folder / f"{_ADDRESS}.partial"
        partial.write_text(f"{address}\n", encoding="ascii")
        partial.replace(self._folder / _ADDRESS)

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it over SSH; the answer of a silent device has return code 255."""
        ssh = ["ssh", "-F", str(self._lab / "ssh_config"), "-oBatchMode=yes", "-oConnectTimeout=5"]
        try:
            return subprocess.run(
                [*ssh, self.name, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 255, "", "no answer in 60 s")

    def _check_starting(self, state: str, deadline: float, timeout_s: float) -> None:
        """Raise PiError: it has ended, or is still `state` at the deadline."""
        if running_pid(self._pid_file) is None:
            raise PiError(f"{self.name} ended during boot: {self._last_output()}")
        if time.monotonic() > deadline:
            raise PiError(f"{self.name} is {state} after {timeout_s:.0f} s: {self._last_output()}")

    def _last_output(self) -> str:
        console = self._folder / CONSOLE
        text = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
        panic = re.search(r"Kernel panic - [^\n]*", text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        last = panic.group(0) if panic else (lines or ["nothing"])[-1]
        return f"its console ends with {last!r}; see {console}"
