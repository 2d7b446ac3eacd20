"""The controller's own machine and software."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

__all__ = ["now", "stamp"]


def now() -> str:
    """The wall-clock time, for people, and to tell minutes apart; no duration is measured by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def stamp(lab: str) -> dict[str, str | int | None]:
    """Versions and machine of the controller."""
    return {
        "lab": lab,
        "edgecut": _version("edgecut"),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "onnx": _version("onnx"),
        "onnxruntime": _version("onnxruntime"),
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
