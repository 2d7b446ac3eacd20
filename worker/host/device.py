"""The stamp of this device, which every number measured here carries."""

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from worker.wire.messages import COLDEST_C, HOTTEST_C, Stamp

__all__ = [
    "frequency_mhz",
    "pin_to_core",
    "read_stamp",
    "source_digest",
    "temperature_c",
    "throttled",
]

_PACKAGE: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("numpy", "msgspec", "psutil", "cramjam", "zfpy", "torch")
_CPUFREQ: Final = Path("/sys/devices/system/cpu")
_THERMAL: Final = Path("/sys/class/thermal")
_THROTTLED: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_NVIDIA: Final = Path("/proc/driver/nvidia")
_TCP: Final = Path("/proc/sys/net/ipv4")


def read_stamp(*, slowdown: float, threads: int) -> Stamp:
    """Everything about this device and process that a measurement depends on; unknown is None."""
    pinned = _pinned_cores()
    return {
        "device": "native" if slowdown == 1.0 else "emulated",
        "slowdown": slowdown,
        "threads": threads,
        "worker_digest": source_digest(),
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "onnxruntime": _version("onnxruntime") or _version("onnxruntime-gpu"),
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()) or None,
        "host": platform.node(),
        "processor": _processor(),
        "gpu": _gpu(),
        "gpu_driver": _gpu_driver(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": _read(_CPUFREQ / f"cpu{(pinned or [0])[0]}/cpufreq/scaling_governor"),
        "frequency_mhz": frequency_mhz(),
        "temperature_c": temperature_c(),
        "throttled": throttled(),
        "tcp_congestion_control": _read(_TCP / "tcp_congestion_control"),
        "tcp_slow_start_after_idle": _read(_TCP / "tcp_slow_start_after_idle"),
        "pinned_cores": None if pinned is None else ",".join(map(str, pinned)),
    }


def pin_to_core(core: int) -> None:
    """Pin this process to one core.

    Raises:
        OSError: the core does not exist, or is not allowed.
        NotImplementedError: the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise NotImplementedError(f"{platform.system()} cannot pin a process to a core")
    os.sched_setaffinity(0, {core})


def source_digest(folder: Path = _PACKAGE) -> str:
    """SHA-256 of a package's source files, by default this package's: it identifies the code."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def frequency_mhz() -> float | None:
    """Current clock of the first core that this process may use."""
    text = _read(_CPUFREQ / f"cpu{(_pinned_cores() or [0])[0]}/cpufreq/scaling_cur_freq")
    if text is not None and text.isdigit():
        return int(text) / 1000
    try:
        # None where /proc/cpuinfo has no clock, as in User-Mode Linux, whatever its stubs say.
        frequency: Any = psutil.cpu_freq()
    except (OSError, AttributeError, NotImplementedError, TypeError):
        return None
    return None if frequency is None else float(frequency.current) or None


def temperature_c() -> float | None:
    """Temperature of the hottest thermal zone with a plausible reading: a broken sensor shows any number."""
    texts = [_read(zone) or "" for zone in _THERMAL.glob("thermal_zone*/temp")]
    zones_c = (int(text) / 1000 for text in texts if text.lstrip("-").isdigit())
    return max((zone_c for zone_c in zones_c if COLDEST_C <= zone_c <= HOTTEST_C), default=None)


def throttled() -> int | None:
    """A Raspberry Pi's throttling flags (0: none, now or since boot); None elsewhere."""
    text = _read(_THROTTLED)
    if text is None and Path("/usr/bin/vcgencmd").exists():
        try:
            result = subprocess.run(
                ["/usr/bin/vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        text = result.stdout.partition("=")[2].strip()
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


def _pinned_cores() -> list[int] | None:
    """Cores that this process may use; None when it may use all, or the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return None if len(cores) == (os.cpu_count() or 0) else cores


def _processor() -> str | None:
    model = _read(Path("/proc/device-tree/model"))
    if model:
        return model.rstrip("\0")
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


def _gpu() -> str | None:
    """NVIDIA's names of the GPUs here."""
    lines = [
        line.partition(":")[2].strip()
        for information in sorted(_NVIDIA.glob("gpus/*/information"))
        for line in (_read(information) or "").splitlines()
        if line.startswith("Model:")
    ]
    return ", ".join(lines) or None


def _gpu_driver() -> str | None:
    lines = (_read(_NVIDIA / "version") or "").splitlines()
    return lines[0].partition(":")[2].strip() if lines else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
