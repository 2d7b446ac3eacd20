"""Execution providers: what a device's ONNX Runtime computes on.

A provider counts only when a session reports it as its own. ONNX Runtime falls back to the CPU without an
error where a provider's libraries or driver cannot be used, and a number of that kind has a wrong name on it.

It is imported on use: who asks a worker or checks a store needs none of it, and it takes long to load.
"""

import contextlib
import sys
from collections.abc import Sequence
from typing import Final

from worker.wire.errors import RefusedError, UsageError

__all__ = ["PROVIDERS", "available_providers", "check_available", "check_used", "prepare"]

PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Our names, and those of ONNX Runtime."""


def available_providers() -> tuple[str, ...]:
    """Those of `PROVIDERS` that this device's ONNX Runtime was built with."""
    import onnxruntime

    built = onnxruntime.get_available_providers()
    return tuple(name for name, provider in PROVIDERS.items() if provider in built)


def check_available(provider: str, *, device: str) -> None:
    """Refuse what this device's ONNX Runtime was not built with.

    Raises:
        UsageError: names the device, the provider, and what it has instead.
    """
    has = available_providers()
    if provider not in has:
        import onnxruntime

        raise UsageError(
            f"device {device} has no provider {provider!r}: its ONNX Runtime {onnxruntime.__version__} has "
            f"{', '.join(has)}; an NVIDIA GPU needs onnxruntime-gpu (deploy with provider: cuda)"
        )


def prepare(provider: str) -> None:
    """Load the CUDA and cuDNN libraries that are installed beside ONNX Runtime, where they are needed."""
    if provider == "cuda":
        import onnxruntime

        # It prints what it does not find; stdout is for the worker's ports.
        with contextlib.redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls(directory="")


def check_used(provider: str, used: Sequence[str], *, label: str) -> None:
    """Refuse a session that reports another provider first than the one that was asked for.

    Raises:
        RefusedError: ONNX Runtime fell back to another one.
    """
    if not used or used[0] != PROVIDERS[provider]:
        raise RefusedError(
            f"{label} runs on {used[0] if used else 'nothing'} and not on {PROVIDERS[provider]}: "
            f"ONNX Runtime cannot use provider {provider!r} here; check its driver and libraries (nvidia-smi)"
        )
