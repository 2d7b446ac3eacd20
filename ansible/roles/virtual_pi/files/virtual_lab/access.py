"""Access to the lab: its key pair, known_hosts and ssh_config, and `enter` for any other command."""

import shlex
import sys
from pathlib import Path

from .commands import run
from .device import Device
from .locking import locked

__all__ = ["FILES", "give_access", "list_pis", "make_key"]

FILES = ("enter", "id_ed25519", "id_ed25519.pub", "known_hosts", "lock", "ssh_config")

_ENTER = """\
#!/bin/sh
# Runs a command inside the lab's network, for example: enter ping 10.83.0.11
pid=$(cat {lab}/network.pid 2>/dev/null) && [ "$(readlink "/proc/$pid/cwd")" = {lab} ] || {{
  echo 'error: this lab is not up: run {up}' >&2
  exit 2
}}
user='--user --preserve-credentials'
[ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ] || user=
# shellcheck disable=SC2086 # two words or none
exec nsenter --target "$pid" $user --net -- "$@"
"""

_SSH_CONFIG = """\
# For example: ssh -F {lab}/ssh_config pi1
{hosts}
Host *
    User {user}
    IdentityFile "{lab}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{lab}/known_hosts"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    ProxyCommand {proxy} %h %p
    ProxyUseFdpass yes
    # A device whose plug is pulled does not close its connections.
    ServerAliveInterval 5
    ServerAliveCountMax 3
"""


def give_access(lab: Path, up: str) -> None:
    """Create the lab's key pair, unless it exists, and the command `enter`; `up` brings the lab up.

    Raises:
        VirtualLabError: ssh-keygen failed.
    """
    make_key(lab / "id_ed25519", "edgecut virtual lab")
    enter = lab / "enter"
    enter.write_text(_ENTER.format(lab=shlex.quote(str(lab)), up=up), encoding="utf-8")
    enter.chmod(0o755)


def list_pis(lab: Path, user: str) -> None:
    """Write ssh_config, to log in as `user`, and known_hosts for the devices that are made."""
    connect = Path(__file__).with_name("connect.py")
    proxy = shlex.join([str(lab / "enter"), sys.executable, "-I", str(connect)])
    with locked(lab / "lock"):
        pis = [pi for folder in sorted(lab.glob("pis/*")) if (pi := Device(lab, folder.name)).is_made]
        keys = [f"{pi.name},{pi.address} {pi.host_key()}" for pi in pis]
        hosts = [f"Host {pi.name}\n    HostName {pi.address}" for pi in pis]
        config = _SSH_CONFIG.format(
            hosts="\n".join(hosts),
            user=user,
            lab=str(lab).replace("%", "%%"),
            proxy=proxy.replace("%", "%%"),
        )
        (lab / "known_hosts").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
        (lab / "ssh_config").write_text(config, encoding="utf-8")


def make_key(path: Path, comment: str) -> None:
    """Create a key pair for SSH unless it exists.

    Raises:
        VirtualLabError: ssh-keygen failed.
    """
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
