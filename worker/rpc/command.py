"""Command line, environment and network interface of the RPC process."""

import os
import socket
import sys
from pathlib import Path

import psutil

import worker
from worker.wire.errors import RefusedError

__all__ = ["check_interface", "command", "environment", "interface_with"]


def command(*arguments: str) -> list[str]:
    """Our own Python on `worker.rpc`. -P: import nothing from the working directory."""
    return [sys.executable, "-P", "-m", "worker.rpc", *arguments]


def environment(interface: str | None) -> dict[str, str]:
    """Our environment, with our own package `worker` and the settings that PyTorch reads only there."""
    ours = str(Path(worker.__file__).absolute().parents[1])
    paths = [ours, *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # ONNX Runtime computes the stages: threads of PyTorch would only disturb it.
        "OMP_NUM_THREADS": "1",
        # We judge ourselves whether a neighbour's end is worth a warning.
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    if interface is not None:
        variables |= {"TP_SOCKET_IFNAME": interface, "GLOO_SOCKET_IFNAME": interface}
    return variables


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
