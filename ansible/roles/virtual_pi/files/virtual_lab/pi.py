"""One virtual Pi: a Debian host under User-Mode Linux, with a card in its folder."""

import shutil
import time
from pathlib import Path

from .base_root import BaseRoot
from .card import CARD, write_card
from .device import CONSOLE, Device
from .errors import HostError, PiError
from .network import Network
from .processes import running_pid, start

__all__ = ["Pi"]

# To reboot, the kernel would restart within its process, which still holds the network interface. So it exits
# instead (`noreboot`), and the loop starts it again if the console reports one more restart.
_PLUG = f"""
restarts=0
while "$@"; do
  counted=$(grep -c 'reboot: Restarting system' {CONSOLE})
  [ "$counted" -gt "$restarts" ] || break
  restarts=$counted
done
"""


class Pi(Device):
    """The virtual Pi `name` of the lab in the folder `lab`."""

    def make(self, base_root: Path, address: str) -> bool:
        """Write its card, with its address in the lab's network; returns False if it has a card.

        Raises:
            VirtualLabError: The card cannot be written.
        """
        if self.is_made:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        write_card(
            self._folder,
            name=self.name,
            address=address,
            base_root=base_root,
            authorized_key=self._lab / "id_ed25519.pub",
        )
        self._finish(address)
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
        (self._folder / CONSOLE).unlink(missing_ok=True)
        kernel = base_root.kernel
        words = [
            str(kernel.binary),
            f"mem={memory_mb}M",
            # Relative to its folder: a path with a space would be two words of the kernel's command line.
            f"ubd0={CARD}",
            "root=/dev/ubda",
            "rw",
            f"umid={self.name}",
            "uml_dir=./uml/",
            f"vec0:transport=tap,ifname={self.name},depth=64,gro=1,mac={self.mac}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            "noreboot",
        ]
        # The kernel is several processes; in a pid namespace all of them end with the one in the pid file.
        alone = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--", "sh", "-c", _PLUG, "sh"]
        command = network.enter(["taskset", "--cpu-list", str(cpu), *alone, *words])
        start(command, self._pid_file, self._folder / CONSOLE, kernel.environment(base_root.cache))
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait until systemd reports that the Pi is running.

        Raises:
            PiError: The Pi takes longer than `timeout_s`, its process ended, or one of its units failed.
        """
        deadline = time.monotonic() + timeout_s
        state = "silent"
        while state not in ("running", "degraded"):
            self._check_starting(state, deadline, timeout_s)
            time.sleep(0.5)
            answer = self._ask("systemctl", "is-system-running", "--wait")
            reasons = answer.stderr.strip().splitlines() or ["no answer"]
            state = answer.stdout.strip() or f"silent ({reasons[-1]})"
        if state == "degraded":
            units = self._ask("systemctl", "--failed", "--plain", "--no-legend").stdout.split()[::5]
            raise PiError(f"{self.name} booted, but units failed: {', '.join(units) or 'unknown'}")


def _check_memory(name: str, memory_mb: int) -> None:
    """Check that /dev/shm has room: a Pi's memory is a file there, and the Pi dies once that is full."""
    free_mb = shutil.disk_usage("/dev/shm").free // 2**20
    if free_mb < memory_mb:
        raise HostError(
            f"/dev/shm has {free_mb} MB free and {name} may take {memory_mb}: use fewer Pis, "
            "-e virtual_pi_memory_mb=512, or as root: mount -o remount,size=8G /dev/shm"
        )
