"""The store: a device's bundles and shards, by digest.

    STORE/bundles/<bundle digest>/{manifest.json,weights.bin,shards.zip,samples.npz}
    STORE/shards/<shard digest>.onnx

The worker checks a digest before it uses a file. It does not read a large file again while path, size, time
and inode are those of the last check.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec

from worker.wire.errors import FailedError, MissingError, RefusedError, UsageError, reason_of
from worker.wire.messages import Have, Missing, PutFile, PutShard, ShardRef

__all__ = ["BUNDLE_FILES", "Findings", "Store", "inspect_bundle"]

BUNDLE_FILES: Final = ("weights.bin", "shards.zip", "samples.npz", "manifest.json")
"""A bundle's files on a device; the manifest comes last, since it makes the bundle complete."""

_DIGEST: Final = re.compile(r"\A[0-9a-f]{64}\Z")
_LONGEST_SHARD_BYTES: Final = 256 * 1024 * 1024
_LONGEST_MANIFEST_BYTES: Final = 256 * 1024 * 1024

_Mark = tuple[int, int, int]
_Digest = Annotated[str, msgspec.Meta(pattern=_DIGEST.pattern)]
_T = TypeVar("_T")
_Cache = dict[Path, tuple[_Mark, _T]]


class BundleFile(msgspec.Struct, frozen=True):
    """A file of a bundle, as its manifest has it."""

    digest: _Digest
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """The entries of a bundle's manifest that a worker uses."""

    files: dict[str, BundleFile]
    shards: dict[str, _Digest] = {}


class Store:
    """One folder on a device."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if missing. Raises UsageError: it cannot be written."""
        self.folder = folder
        self._lock = threading.Lock()
        self._checked: _Cache[str] = {}
        self._manifests: _Cache[Manifest] = {}
        try:
            for part in ("bundles", "shards"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise UsageError(
                f"store {folder} cannot be written ({error.strerror}): choose another --store"
            ) from error

    def missing(self, have: Have) -> Missing:
        """What the store lacks of these. It has a bundle once it has its manifest and all its weights."""
        for digest in have.bundles:
            _check_digest(digest)
        known = self._shards_in_bundles() if have.shards else set()
        return Missing(
            bundles=tuple(digest for digest in have.bundles if not self._has_bundle(digest)),
            shards=tuple(
                digest
                for digest in have.shards
                if not (self._shard_path(digest).is_file() or digest in known)
            ),
        )

    def put_shard(self, put: PutShard) -> None:
        """Keep a shard. Raises RefusedError: its digest is not `digest`."""
        path = self._shard_path(put.digest)
        actual = hashlib.sha256(put.graph).hexdigest()
        if actual != put.digest:
            raise RefusedError(f"shard {put.digest[:12]} arrived altered: its digest is {actual[:12]}")
        arriving = path.with_suffix(".partial")
        with _writing(arriving):
            arriving.write_bytes(put.graph)
            arriving.replace(path)

    def put_file(self, put: PutFile) -> None:
        """Keep a piece of a bundle's file; pieces come in order, and the last completes the file.

        Raises:
            RefusedError: a piece is out of order, or the digest of the whole is not `digest`.
        """
        _check_digest(put.digest)
        folder = self._bundle_folder(put.bundle)
        path, arriving = folder / put.name, folder / f".{put.name}.partial"
        end = put.offset + len(put.data)
        if put.offset < 0 or end > put.size_bytes or (not put.data and put.size_bytes):
            raise RefusedError(f"piece at {put.offset} of {put.name} does not fit its {put.size_bytes} bytes")
        with _writing(arriving):
            folder.mkdir(parents=True, exist_ok=True)
            if put.offset == 0:
                arriving.write_bytes(b"")
            size_bytes = arriving.stat().st_size if arriving.exists() else 0
            if size_bytes != put.offset:
                raise RefusedError(
                    f"piece at {put.offset} of {put.name} is out of order: the store has {size_bytes} bytes"
                )
            with arriving.open("ab") as file:
                file.write(put.data)
            if end < put.size_bytes:
                return
            actual = self._file_digest(arriving)
            if actual != put.digest:
                raise RefusedError(f"{put.name} of bundle {put.bundle[:12]} arrived altered: send it again")
            if put.name == "manifest.json":
                _read_manifest(arriving, put.bundle)
            arriving.replace(path)

    def load_shard(self, ref: ShardRef) -> tuple[bytes, Path | None]:
        """The shard's graph, and the folder of its weights (None: it needs none).

        Raises:
            MissingError: shard, bundle or weights are not here.
            RefusedError: one of them is altered.
        """
        graph = self._find_shard(ref)
        actual = hashlib.sha256(graph).hexdigest()
        if actual != ref.digest:
            raise RefusedError(
                f"shard {ref.start}-{ref.stop} of bundle {ref.bundle[:12]} is altered: its digest is "
                f"{actual[:12]}, not {ref.digest[:12]}; deploy the bundle again"
            )
        if not ref.bundle:
            return graph, None
        return graph, self._checked_file(ref.bundle, "weights.bin").parent

    def samples_path(self, bundle: str) -> Path:
        """The bundle's samples, with their digest checked. Raises MissingError, RefusedError."""
        return self._checked_file(bundle, "samples.npz")

    def _find_shard(self, ref: ShardRef) -> bytes:
        path = self._shard_path(ref.digest)
        if path.is_file():
            return path.read_bytes()
        if ref.bundle:
            archive = self._bundle_folder(ref.bundle) / "shards.zip"
            with contextlib.suppress(FileNotFoundError):
                return _read_member(archive, f"{ref.start}-{ref.stop}.onnx")
        raise MissingError(
            f"shard {ref.start}-{ref.stop} ({ref.digest[:12]}) of bundle {ref.bundle[:12]} is not here"
        )

    def _checked_file(self, bundle: str, name: str) -> Path:
        entry = self._manifest(bundle).files.get(name)
        path = self._bundle_folder(bundle) / name
        if entry is None or not path.is_file():
            raise MissingError(f"{name} of bundle {bundle[:12]} is not on this device")
        if path.is_symlink():
            raise RefusedError(f"{path} is a symlink; a bundle holds its own files: deploy the bundle again")
        actual = self._file_digest(path)
        if actual != entry.digest:
            raise RefusedError(
                f"{path} is altered: its digest is {actual[:12]}, not {entry.digest[:12]}; "
                "deploy the bundle again"
            )
        return path

    def _manifest(self, bundle: str) -> Manifest:
        path = self._bundle_folder(bundle) / "manifest.json"
        try:
            return self._unless_same(self._manifests, path, partial(_read_manifest, bundle=bundle))
        except FileNotFoundError as error:
            raise MissingError(f"bundle {bundle[:12]} is not on this device: deploy it") from error

    def _has_bundle(self, digest: str) -> bool:
        try:
            size_bytes = self._manifest(digest).files["weights.bin"].size_bytes
            return (self._bundle_folder(digest) / "weights.bin").stat().st_size == size_bytes
        except (MissingError, RefusedError, FileNotFoundError, KeyError):
            return False

    def _shards_in_bundles(self) -> set[str]:
        """Digests of the shards inside the bundles here."""
        digests: set[str] = set()
        for folder in (self.folder / "bundles").iterdir():
            if (folder / "shards.zip").is_file():
                with contextlib.suppress(MissingError, RefusedError):
                    digests.update(self._manifest(folder.name).shards.values())
        return digests

    def _bundle_folder(self, digest: str) -> Path:
        return self.folder / "bundles" / _check_digest(digest)

    def _shard_path(self, digest: str) -> Path:
        return self.folder / "shards" / f"{_check_digest(digest)}.onnx"

    def _file_digest(self, path: Path) -> str:
        return self._unless_same(self._checked, path, _digest_of)

    def _unless_same(self, cache: _Cache[_T], path: Path, read: Callable[[Path], _T]) -> _T:
        """What `read` makes of a file, or made of it before."""
        mark = _mark(path)
        with self._lock:
            cached = cache.get(path)
        if cached is not None and cached[0] == mark:
            return cached[1]
        result = read(path)
        with self._lock:
            cache[path] = mark, result
        return result


@dataclass(frozen=True)
class Findings:
    """File names: those to send, and the altered ones among them."""

    lacks: tuple[str, ...]
    altered: tuple[str, ...]


def inspect_bundle(store: Path, digest: str) -> Findings:
    """Check a bundle's files against its manifest, and the manifest against the bundle's digest.

    Without a valid manifest no other file can be checked, so all are missing. Anything but a regular file,
    such as a link or a pipe, is altered, and not read.

    Raises:
        RefusedError: `digest` is not a digest.
        UsageError: a file cannot be read.
    """
    folder = store / "bundles" / _check_digest(digest)
    try:
        try:
            if not _is_regular(folder / "manifest.json"):
                return Findings(lacks=BUNDLE_FILES, altered=("manifest.json",))
            manifest = _read_manifest(folder / "manifest.json", digest)
        except FileNotFoundError:
            return Findings(lacks=BUNDLE_FILES, altered=())
        except RefusedError:
            return Findings(lacks=BUNDLE_FILES, altered=("manifest.json",))
        lacks, altered = [], []
        for name in BUNDLE_FILES:
            if name == "manifest.json":
                continue
            entry = manifest.files.get(name)
            try:
                digest_here = _digest_of(folder / name) if _is_regular(folder / name) else ""
            except FileNotFoundError:
                digest_here = None
            if digest_here != (entry and entry.digest):
                lacks.append(name)
                if digest_here is not None:
                    altered.append(name)
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    return Findings(lacks=tuple(lacks), altered=tuple(altered))


def _is_regular(path: Path) -> bool:
    """Whether a path is a regular file, and no link to one. Raises FileNotFoundError."""
    return stat.S_ISREG(path.lstat().st_mode)


@contextlib.contextmanager
def _writing(partial: Path) -> Iterator[None]:
    """Remove a partial file when writing it fails, and say in one line what is wrong with the disk."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise FailedError(f"{partial.parent} cannot be written: {reason_of(error)}") from error
        raise


def _check_digest(digest: str) -> str:
    """Return the digest, safe as part of a path. Raises RefusedError: it is not 64 hex digits."""
    if not _DIGEST.match(digest):
        raise RefusedError(f"{digest[:80]!r} is not a digest (64 hex digits)")
    return digest


def _read_manifest(path: Path, bundle: str) -> Manifest:
    """Read the manifest of the bundle with this digest.

    Raises:
        RefusedError: it is another file, or altered.
        FileNotFoundError: it is missing.
    """
    if path.stat().st_size > _LONGEST_MANIFEST_BYTES:
        raise RefusedError(f"{path} is too long for a manifest: deploy the bundle again")
    try:
        content = json.loads(path.read_bytes())
        manifest = msgspec.convert(content, Manifest)
    except msgspec.ValidationError as error:
        raise RefusedError(f"{path} is not a bundle's manifest: deploy the bundle again") from error
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{path} is not JSON: deploy the bundle again") from error
    body = {key: value for key, value in content.items() if key not in ("digest", "made")}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    actual = hashlib.sha256(canonical).hexdigest()
    if actual != bundle:
        raise RefusedError(
            f"{path} is altered: its digest is {actual[:12]}, not {bundle[:12]}; deploy it again"
        )
    return manifest


def _digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises FileNotFoundError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mark(path: Path) -> _Mark:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read_member(archive: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as file:
            if file.getinfo(member).file_size > _LONGEST_SHARD_BYTES:
                raise RefusedError(f"{archive} holds a {member} that is too long for a shard")
            return file.read(member)
    except KeyError as error:
        raise FileNotFoundError(member) from error
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted, or an unsupported compression.
        raise RefusedError(f"{archive} cannot be read ({error}): deploy the bundle again") from error
