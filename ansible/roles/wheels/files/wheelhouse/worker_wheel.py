"""The package `worker` alone as a wheel, the same bytes for the same sources.

Its version contains the digest of its sources, so changed code is another wheel. A running worker reports
the same digest.
"""

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .errors import ProjectError

__all__ = ["WorkerWheel", "build_worker_wheel"]

_NAME = "edgecut_worker"
_KEPT = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)


class WorkerWheel(NamedTuple):
    """A wheel, and the digest of its sources."""

    path: Path
    digest: str


def build_worker_wheel(root: Path, folder: Path, source_digest: Callable[[Path], str]) -> WorkerWheel:
    """Build the wheel in `folder` unless it exists, and remove the oldest wheels.

    Args:
        root: Folder of edgecut, with `worker` and pyproject.toml.
        folder: Folder for the wheel.
        source_digest: Computes the digest of a package's folder.

    Raises:
        ProjectError: The sources are missing.
    """
    sources = root / "worker"
    if not (sources / "__main__.py").is_file():
        raise ProjectError(f"{sources} is not the package worker; run the playbooks of an edgecut repository")
    digest = source_digest(sources)
    base = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    # The letter keeps an all-digit digest from being read as a number.
    version = f"{base}+s{digest[:16]}"
    path = folder / f"{_NAME}-{version}-py3-none-any.whl"
    content = _content(sources, version)
    if not path.is_file() or path.read_bytes() != content:
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    # Keep several: another checkout may be deploying at the same time.
    for former in sorted(folder.glob(f"{_NAME}-*.whl"), key=lambda wheel: wheel.stat().st_mtime)[:-_KEPT]:
        former.unlink(missing_ok=True)
    return WorkerWheel(path, digest)


def _content(sources: Path, version: str) -> bytes:
    files = {
        f"worker/{path.relative_to(sources).as_posix()}": path.read_bytes()
        for path in sorted(sources.rglob("*"))
        if path.suffix == ".py" or path.name == "py.typed"
    }
    info = f"{_NAME}-{version}.dist-info"
    # Without requirements: the build of ONNX Runtime depends on the device.
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: edgecut-worker\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: edgecut\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
