"""Which network interface PyTorch RPC is to use on this device."""

import socket

import psutil

from worker.wire.errors import RefusedError

__all__ = ["check_interface", "interface_with"]


def check_interface(name: str) -> None:
    """Raise RefusedError: this device has no such interface."""
    there = psutil.net_if_addrs()
    if name not in there:
        raise RefusedError(f"unknown network interface {name}; this device has {', '.join(sorted(there))}")


def interface_with(address: str) -> str | None:
    """The interface that has this address or host name; None where none has.

    By itself RPC takes the address that the host's own name stands for, which on Debian is 127.0.1.1.
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address, None)}
    except OSError:
        return None
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] in found for one in addresses):
            return name
    return None
