"""Execution providers of a device's ONNX Runtime.

A provider counts only when a session reports it. ONNX Runtime falls back to the CPU without an error where a
provider's libraries or driver do not work, and would mislabel a measurement.

ONNX Runtime is imported on use: it loads slowly, and `ask` and `check` do not need it.
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
    """The `PROVIDERS` in this device's build of ONNX Runtime."""
    import onnxruntime

    built = onnxruntime.get_available_providers()
    return tuple(name for name, provider in PROVIDERS.items() if provider in built)


def check_available(provider: str, *, device: str) -> None:
    """Refuse a provider that this device's build of ONNX Runtime lacks.

    Raises:
        UsageError: names the device, the provider, and the available ones.
    """
    has = available_providers()
    if provider not in has:
        import onnxruntime

        raise UsageError(
            f"device {device} has no provider {provider!r}: its ONNX Runtime {onnxruntime.__version__} has "
            f"{', '.join(has)}; an NVIDIA GPU needs onnxruntime-gpu (deploy with provider: cuda)"
        )


def prepare(provider: str) -> None:
    """Load the CUDA and cuDNN libraries installed beside ONNX Runtime, if the provider needs them."""
    if provider == "cuda":
        import onnxruntime

        # It prints what is missing; stdout is for the worker's ports.
        with contextlib.redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls(directory="")


def check_used(provider: str, used: Sequence[str], *, label: str) -> None:
    """Refuse a session that does not report the requested provider first.

    Raises:
        RefusedError: ONNX Runtime fell back to another provider.
    """
    if not used or used[0] != PROVIDERS[provider]:
        raise RefusedError(
            f"{label} runs on {used[0] if used else 'nothing'} and not on {PROVIDERS[provider]}: "
            f"ONNX Runtime cannot use provider {provider!r} here; check its driver and libraries (nvidia-smi)"
        )
