"""The access policy: only the lab's members may use a worker, unless only this host can reach it."""

import ipaddress
from pathlib import Path

from worker.wire.errors import UsageError
from worker.wire.security import OPEN, Security, load_security

__all__ = ["choose_security"]


def choose_security(
    name: str,
    host: str,
    key_file: Path | None,
    certificates: Path | None,
    *,
    open_to_all: bool,
) -> Security:
    """The security of the worker `name`, which listens on `host`.

    Raises:
        UsageError: A secret cannot be read; or other hosts could reach the worker without one, and
            `open_to_all` is not set.
    """
    security = load_security(key_file, certificates, name=name)
    if security is OPEN and not open_to_all and not _is_loopback(host):
        raise UsageError(
            f"--host {host or '(every address)'} can be reached from elsewhere: give the lab's key with "
            f"--key-file (ansible/deploy.yml does), or let anyone use this worker with --open-to-all"
        )
    return security


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
