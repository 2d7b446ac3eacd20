"""The network interface of PyTorch RPC on this device."""

import socket

import psutil

from worker.wire.errors import RefusedError

__all__ = ["check_interface", "interface_with"]


def check_interface(name: str) -> None:
    """Raise RefusedError: this device has no such interface."""
    interfaces = psutil.net_if_addrs()
    if name not in interfaces:
        raise RefusedError(
            f"unknown network interface {name}; this device has {', '.join(sorted(interfaces))}"
        )


def interface_with(address: str) -> str | None:
    """The interface with this address or host name; None if none has it.

    By default RPC takes the address of the host's own name, which on Debian is 127.0.1.1.
    """
    try:
        resolved = {str(info[4][0]) for info in socket.getaddrinfo(address, None)}
    except OSError:
        return None
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] in resolved for one in addresses):
            return name
    return None
