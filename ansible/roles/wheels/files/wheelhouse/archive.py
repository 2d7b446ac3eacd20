"""The wheels of one kind of device as one archive in the cache, complete or absent.

Its name contains the digest of the requirements; other pins make another archive. The first member lists the
wheels with their digests, and the archive is checked against that list before each use.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import FetchError
from .pip import download
from .target import PIP, Target

__all__ = ["Archive", "fetch"]

_LIST = "wheels.json"


@dataclass(frozen=True)
class Archive:
    """All wheels that a kind of device needs.

    Attributes:
        path: A tar file without folders.
        wheels: Names of the wheels in it, pip's own among them, with their SHA-256.
    """

    path: Path
    wheels: dict[str, str]

    @property
    def digest(self) -> str:
        """Digest of the whole content."""
        return hashlib.sha256(json.dumps(self.wheels, sort_keys=True).encode()).hexdigest()


def fetch(target: Target, requirements: list[str], cache: Path) -> tuple[Archive, bool]:
    """Fetch these requirements unless the cache has them, and remove archives of former requirements.

    Returns:
        The archive, and whether it was fetched.

    Raises:
        FetchError: A download failed; nothing is left behind.
    """
    requested = json.dumps([*requirements, PIP, *target.pip_options()])
    digest = hashlib.sha256(requested.encode()).hexdigest()[:16]
    path = cache / f"{target.name}-{digest}.tar"
    wheels = _read(path)
    if wheels is not None:
        return Archive(path, wheels), False
    try:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as folder:
            download(target, [*requirements, PIP], Path(folder))
            partial = Path(folder) / "archive"
            wheels = _write(partial, sorted(Path(folder).glob("*.whl")))
            partial.replace(path)
    except OSError as error:
        raise FetchError(f"{error.filename or cache} cannot be written: {error.strerror}") from error
    for former in cache.glob(f"{target.name}-*.tar"):
        if former != path:
            former.unlink(missing_ok=True)
    return Archive(path, wheels), True


def _write(path: Path, files: list[Path]) -> dict[str, str]:
    wheels = {file.name: _digest(file) for file in files}
    listed = json.dumps(wheels, indent=1).encode()
    with tarfile.open(path, "w") as archive:
        head = tarfile.TarInfo(_LIST)
        head.size = len(listed)
        archive.addfile(head, io.BytesIO(listed))
        for file in files:
            # Without times and owners, the same wheels make the same archive. Wheels are compressed already.
            member = tarfile.TarInfo(file.name)
            member.size = file.stat().st_size
            member.mode = 0o644
            with file.open("rb") as content:
                archive.addfile(member, content)
    return wheels


def _read(path: Path) -> dict[str, str] | None:
    """The wheels of an archive; None if it is missing or damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            listed = archive.extractfile(_LIST)
            assert listed is not None
            wheels: dict[str, str] = json.load(listed)
            for name, digest in wheels.items():
                content = archive.extractfile(name)
                assert content is not None
                with content:
                    if _digest_of(content) != digest:
                        return None
    except (OSError, tarfile.TarError, ValueError, KeyError, AssertionError):
        return None
    return wheels


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return _digest_of(file)


def _digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
