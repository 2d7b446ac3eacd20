"""Check whether this device can take part in a pipeline over PyTorch RPC, before any measurement."""

import functools
import importlib.util
import os
import socket
import subprocess
from typing import Final

from worker.rpc.command import check_interface, command, environment
from worker.wire.errors import RefusedError
from worker.wire.messages import CheckRpc

__all__ = ["check_rpc"]

# Importing PyTorch takes seconds on a small device.
_TIMEOUT_S: Final = 120.0


def check_rpc(check: CheckRpc) -> None:
    """Look for PyTorch, its RPC, the interface and the port.

    Raises:
        RefusedError: one of them is not available; says which, and what to do.
    """
    if importlib.util.find_spec("torch") is None:
        raise RefusedError(
            "backend torch_rpc needs PyTorch, which this device lacks; set extras: [torch_rpc] in the "
            "inventory and deploy again"
        )
    if check.interface is not None:
        check_interface(check.interface)
    if check.port is not None:
        _check_port(check.port)
    _check_build()


def _check_port(port: int) -> None:
    try:
        # On every address, as PyTorch's store does.
        socket.create_server(("", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise RefusedError(
            f"PyTorch RPC cannot listen on port {port} ({why}): stop what uses it, or give the experiment "
            f"another with rpc: {{port: ...}}"
        ) from error


@functools.cache
def _check_build() -> None:
    """Import PyTorch in a separate process, once if that succeeds."""
    try:
        done = subprocess.run(
            command("--check"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env=environment(None),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RefusedError(f"PyTorch could not be imported within {_TIMEOUT_S:g} s") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise RefusedError(f"backend torch_rpc cannot be used: {lines[-1]}")
