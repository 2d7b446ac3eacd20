"""One namespace: a device with its own network, processes and /run, and this machine's kernel and files."""

import shutil
import sys
import time

from .access import make_key
from .device import CONSOLE, HOST_KEY, Device
from .network import PREFIX_LENGTH, Network
from .processes import running_pid, start

__all__ = ["Namespace"]

_INTERFACE = "eth0"

# Process 1 of the device, in its folder: when it is killed, all other processes end, then the network. /run
# and /sys are the device's own. It looks whether the lease of a shaped link has ended, as edgecut-link.timer
# does on a host with systemd; `deploy.yml` installs the program.
_INIT = f"""
set -eu
name=$1 address=$2 sshd=$3 python=$4
hostname "$name"
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/edgecut /run/tmp tmp
mount --bind tmp /run/tmp
until ip link show {_INTERFACE} >/dev/null 2>&1; do sleep 0.02; done
ip link set lo up
ip address add "$address" dev {_INTERFACE}
ip link set {_INTERFACE} up
"$sshd" -D -e -f "$PWD/sshd_config" &
while sleep 15; do
  [ ! -e edgecut-link.pyz ] || "$python" -I edgecut-link.pyz expire || true
done
"""

# PAM, because without it sshd refuses root where root's password is locked.
_SSHD_CONFIG = """\
ListenAddress {address}
HostKey "{host_key}"
AuthorizedKeysFile "{authorized_keys}"
StrictModes no
AllowUsers root
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
PermitUserRC no
PrintMotd no
PidFile none
Subsystem sftp internal-sftp
"""


class Namespace(Device):
    """The namespace `name` of the lab in the folder `lab`."""

    def make(self, address: str) -> bool:
        """Write its key and the configuration of its sshd; returns False if it has them.

        Raises:
            VirtualLabError: The key cannot be made.
        """
        if self.is_made:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        make_key(self._folder / HOST_KEY, self.name)
        config = _SSHD_CONFIG.format(
            address=address,
            host_key=self._folder / HOST_KEY,
            # sshd replaces %h and the like in this one.
            authorized_keys=str(self._lab / "id_ed25519.pub").replace("%", "%%"),
        )
        (self._folder / "sshd_config").write_text(config, encoding="utf-8")
        self._finish(address)
        return True

    def boot(self, *, cpu: int) -> bool:
        """Start its processes and link it to the lab; returns False if it runs.

        Raises:
            VirtualLabError: Its link cannot be made.
        """
        network = Network(self._lab)
        if running_pid(self._pid_file) is not None and network.has_interface(self.name):
            return False
        self.pull_plug()
        (self._folder / CONSOLE).unlink(missing_ok=True)
        namespaces = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--mount-proc"]
        alone = ["taskset", "--cpu-list", str(cpu), *namespaces, "--fork", "--kill-child=KILL", "--"]
        arguments = [self.name, f"{self.address}/{PREFIX_LENGTH}", shutil.which("sshd") or "sshd"]
        command = [*alone, "sh", "-c", _INIT, "sh", *arguments, sys.executable]
        process = start(command, self._pid_file, self._folder / CONSOLE)
        network.add_veth(self.name, process.pid, peer=_INTERFACE, mac=self.mac)
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait until it answers over SSH.

        Raises:
            PiError: It takes longer than `timeout_s`, or has ended.
        """
        deadline = time.monotonic() + timeout_s
        while (answer := self._ask("true")).returncode != 0:
            reasons = answer.stderr.strip().splitlines() or ["no answer"]
            self._check_starting(f"silent ({reasons[-1]})", deadline, timeout_s)
            time.sleep(0.05)
