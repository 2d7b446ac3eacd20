"""Ports of 127.0.0.1 that stay free until a test listens on them."""

import itertools
import os
import socket
from typing import Final

__all__ = ["free_ports"]

# Below the range from which the kernel takes ports for connections: it would take one that a worker gave up
# a moment ago, and the worker could not come back on it.
_FIRST: Final = 20_000
_OF_ONE_PROCESS: Final = 1_000

_offsets: Final = itertools.count(os.getpid() * 8)


def free_ports(count: int = 1) -> int:
    """The first of `count` ports in a row that no process has, and that this one has not had for long.

    Test processes that run side by side look in ranges of their own: between a look and a worker's start,
    another one could find the same ports.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    first = _FIRST + _OF_ONE_PROCESS * process
    for _ in range(_OF_ONE_PROCESS):
        base = first + next(_offsets) % (_OF_ONE_PROCESS - count)
        if all(map(_is_free, range(base, base + count))):
            for _ in range(count - 1):
                next(_offsets)
            return base
    raise RuntimeError(f"no {count} free ports from {first} on")


def _is_free(port: int) -> bool:
    """Whether nothing has this port, neither for TCP nor for UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind(("", port))
            except OSError:
                return False
    return True
