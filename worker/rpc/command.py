"""How the process of its own is started."""

import os
import sys
from pathlib import Path

import worker

__all__ = ["command", "environment"]


def command(*arguments: str) -> list[str]:
    """Our own Python on `worker.rpc`. -P: nothing is imported from the working directory."""
    return [sys.executable, "-P", "-m", "worker.rpc", *arguments]


def environment(interface: str | None) -> dict[str, str]:
    """With the same package `worker` as we are, and what PyTorch takes from nowhere else."""
    ours = str(Path(worker.__file__).absolute().parents[1])
    paths = [ours, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # Stages are ONNX Runtime's: threads of PyTorch's own would only be in their way.
        "OMP_NUM_THREADS": "1",
        # That a neighbour's connection ended is ours to judge, and no warning.
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    if interface is not None:
        found |= {"TP_SOCKET_IFNAME": interface, "GLOO_SOCKET_IFNAME": interface}
    return found
