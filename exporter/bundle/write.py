"""Write a bundle, whole or not at all.

The exporter writes everything into a hidden folder beside the target, the manifest last, flushes it to disk
and renames it. A killed export leaves at most that hidden folder, which has no manifest and does not load;
the next export to the same path removes it.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from exporter.errors import OutputError

__all__ = ["folder_in_one_piece"]


@contextlib.contextmanager
def folder_in_one_piece(target: Path, *, force: bool, marker: str) -> Iterator[Path]:
    """Yield a folder to write into, which becomes `target` when the block ends and vanishes if it fails.

    Args:
        target: the path of the finished folder.
        force: replace an existing folder that holds `marker`, which shows that edgecut wrote it.
        marker: the file that identifies this kind of folder.

    Raises:
        OutputError: the target is taken or not writable.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  # resolve() would follow a link at the target
    _clear_stale(target)
    _refuse_taken(target, force=force, marker=marker)
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        yield partial
        for path in (*partial.iterdir(), partial):
            _flush(path)
        _put_in_place(partial, target)
        _flush(target.parent)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_taken(target: Path, *, force: bool, marker: str) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target}: is a file; --out must name a folder")
    if not any(target.iterdir()):
        return
    if not (target / marker).is_file():
        raise OutputError(f"{target}: holds other files; choose another --out")
    if not force:
        raise OutputError(f"{target}: exists; add --force to replace it, or choose another --out")


def _clear_stale(target: Path) -> None:
    """Remove what killed exports to this target left, and restore a folder that one was replacing."""
    for path in target.parent.glob(f".{target.name}.partial-*"):
        pid = path.name.removesuffix(".replaced").rpartition("-")[2]
        if not pid.isdecimal() or _alive(int(pid)):
            continue
        if path.suffix == ".replaced" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    replaced = partial.with_name(partial.name + ".replaced")
    target.rename(replaced)
    partial.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
