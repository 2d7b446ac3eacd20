"""One virtual Pi: a folder with its card, pid file and console."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from .base_root import BaseRoot
from .card import CARD, HOST_KEY, write_card
from .errors import HostError, PiError
from .network import Network
from .processes import running_pid, start, stop

__all__ = ["Pi"]

_CONSOLE = "console.log"
_ADDRESS = "address"

# To reboot, the kernel would restart within its process, which still holds the network interface. So it exits
# instead (`noreboot`), and the loop starts it again if the console reports one more restart.
_PLUG = f"""
restarts=0
while "$@"; do
  counted=$(grep -c 'reboot: Restarting system' {_CONSOLE})
  [ "$counted" -gt "$restarts" ] || break
  restarts=$counted
done
"""


class Pi:
    """The virtual Pi `name` of the lab in the folder `lab`."""

    def __init__(self, lab: Path, name: str) -> None:
        self.name = name
        self._lab = lab
        self._folder = lab / "pis" / name
        self._pid_file = self._folder / "pid"

    @property
    def has_card(self) -> bool:
        """Whether its card is written, so that it can boot."""
        return (self._folder / CARD).exists()

    @property
    def address(self) -> str:
        """Its address in the lab's network; it needs a card."""
        return (self._folder / _ADDRESS).read_text(encoding="ascii").strip()

    def host_key(self) -> str:
        """Its public host key, as in known_hosts; it needs a card."""
        return " ".join((self._folder / f"{HOST_KEY}.pub").read_text(encoding="utf-8").split()[:2])

    def make(self, base_root: Path, address: str) -> bool:
        """Write its card, with its address in the lab's network; returns False if it has a card.

        Raises:
            VirtualLabError: The card cannot be written.
        """
        if self.has_card:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _ADDRESS).write_text(f"{address}\n", encoding="ascii")
        write_card(
            self._folder,
            name=self.name,
            address=address,
            base_root=base_root,
            authorized_key=self._lab / "id_ed25519.pub",
        )
        return True

    def boot(self, base_root: BaseRoot, *, memory_mb: int, cpu: int) -> bool:
        """Plug it in; returns False if it runs.

        Raises:
            VirtualLabError: Its interface cannot be created, or memory is short.
        """
        if running_pid(self._pid_file) is not None:
            return False
        _check_memory(self.name, memory_mb)
        network = Network(self._lab)
        network.add_tap(self.name)
        (self._folder / _CONSOLE).unlink(missing_ok=True)
        kernel = base_root.kernel
        last = int(self.address.rsplit(".", 1)[1])
        words = [
            str(kernel.binary),
            f"mem={memory_mb}M",
            # Relative to its folder: a path with a space would be two words of the kernel's command line.
            f"ubd0={CARD}",
            "root=/dev/ubda",
            "rw",
            f"umid={self.name}",
            "uml_dir=./uml/",
            f"vec0:transport=tap,ifname={self.name},depth=64,gro=1,mac=02:ec:00:00:00:{last:02x}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            "noreboot",
        ]
        # The kernel is several processes; in a pid namespace all of them end with the one in the pid file.
        alone = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--", "sh", "-c", _PLUG, "sh"]
        command = network.enter(["taskset", "--cpu-list", str(cpu), *alone, *words])
        start(command, self._pid_file, self._folder / _CONSOLE, kernel.environment(base_root.cache))
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait until systemd reports that the Pi is running.

        Raises:
            PiError: The Pi takes longer than `timeout_s`, its process ended, or one of its units failed.
        """
        deadline = time.monotonic() + timeout_s
        state = "silent"
        while state not in ("running", "degraded"):
            if running_pid(self._pid_file) is None:
                raise PiError(f"{self.name} ended during boot: {self._last_output()}")
            if time.monotonic() > deadline:
                raise PiError(f"{self.name} is {state} after {timeout_s:.0f} s: {self._last_output()}")
            time.sleep(0.5)
            answer = self._ask("systemctl", "is-system-running", "--wait")
            reasons = answer.stderr.strip().splitlines() or ["no answer"]
            state = answer.stdout.strip() or f"silent ({reasons[-1]})"
        if state == "degraded":
            units = self._ask("systemctl", "--failed", "--plain", "--no-legend").stdout.split()[::5]
            raise PiError(f"{self.name} booted, but units failed: {', '.join(units) or 'unknown'}")

    def pull_plug(self) -> None:
        """End it like a power cut, if it runs."""
        stop(self._pid_file)

    def remove(self) -> bool:
        """Pull its plug and remove its folder and TAP; returns False if it did not exist."""
        existed = self._folder.exists()
        self.pull_plug()
        Network(self._lab).remove_tap(self.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        return existed

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
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

    def _last_output(self) -> str:
        console = self._folder / _CONSOLE
        text = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
        panic = re.search(r"Kernel panic - [^\n]*", text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        last = panic.group(0) if panic else (lines or ["nothing"])[-1]
        return f"its console ends with {last!r}; see {console}"


def _check_memory(name: str, memory_mb: int) -> None:
    """Check that /dev/shm has room: a Pi's memory is a file there, and the Pi dies once that is full."""
    free_mb = shutil.disk_usage("/dev/shm").free // 2**20
    if free_mb < memory_mb:
        raise HostError(
            f"/dev/shm has {free_mb} MB free and {name} may take {memory_mb}: use fewer Pis, "
            "-e virtual_pi_memory_mb=512, or as root: mount -o remount,size=8G /dev/shm"
        )
