"""The state of an NVIDIA GPU, if any, from its driver's own library, NVML.

`ctypes` makes the few calls: a device needs no further package, and one without a GPU nothing at all. Source:
NVML API Reference Guide, NVIDIA.
"""

import contextlib
import ctypes
from dataclasses import dataclass
from typing import Final

__all__ = ["NOTHING", "Gpu", "GpuState", "find_gpu"]

_LIBRARIES: Final = ("libnvidia-ml.so.1", "nvml.dll")
_OK: Final = 0


@dataclass(frozen=True)
class GpuState:
    """Share of time in which it computed, power of the board, memory in use by all; unknown is None."""

    percent: float | None = None
    power_w: float | None = None
    used_bytes: int | None = None


NOTHING: Final = GpuState()


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Gpu:
    """The first GPU of the host."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._library = library
        self._handle = handle

    def read(self) -> GpuState:
        """Read the state once; what this GPU does not report is None."""
        utilization, power_mw, memory = _Utilization(), ctypes.c_uint(), _Memory()
        ask, handle = self._library, self._handle
        percent = ask.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)) == _OK
        power = ask.nvmlDeviceGetPowerUsage(handle, ctypes.byref(power_mw)) == _OK
        used = ask.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == _OK
        return GpuState(
            percent=float(utilization.gpu) if percent else None,
            power_w=power_mw.value / 1000 if power else None,
            used_bytes=int(memory.used) if used else None,
        )


def find_gpu() -> Gpu | None:
    """The first GPU that NVML knows; None without NVML or a GPU."""
    for name in _LIBRARIES:
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            handle = ctypes.c_void_p()
            started = library.nvmlInit_v2() == _OK
            if started and library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == _OK:
                return Gpu(library, handle)
    return None
