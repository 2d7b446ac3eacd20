"""Command line and environment of the RPC process."""

import os
import sys
from pathlib import Path

import worker

__all__ = ["command", "environment"]


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
