"""Compare a bundle in a store with its manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.store.store import BUNDLE_FILES, check_digest, digest_of, read_manifest
from worker.wire.errors import RefusedError, UsageError

__all__ = ["Findings", "inspect_bundle"]

_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class Findings:
    """File names: those to send, and the altered ones among them."""

    lacks: tuple[str, ...]
    altered: tuple[str, ...]


def inspect_bundle(store: Path, digest: str) -> Findings:
    """Check a bundle's files against its manifest, and the manifest against the bundle's digest.

    Without a valid manifest no other file can be checked, so all are missing.

    Raises:
        RefusedError: `digest` is not a digest.
        UsageError: a file cannot be read.
    """
    folder = store / "bundles" / check_digest(digest)
    try:
        try:
            manifest = read_manifest(folder / _MANIFEST, digest)
        except FileNotFoundError:
            return Findings(lacks=BUNDLE_FILES, altered=())
        except RefusedError:
            return Findings(lacks=BUNDLE_FILES, altered=(_MANIFEST,))
        lacks, altered = [], []
        for name in BUNDLE_FILES:
            if name == _MANIFEST:
                continue
            entry = manifest.files.get(name)
            digest_here = digest_of(folder / name) if (folder / name).exists() else None
            if digest_here != (entry and entry.digest):
                lacks.append(name)
                if digest_here is not None:
                    altered.append(name)
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    return Findings(lacks=tuple(lacks), altered=tuple(altered))
