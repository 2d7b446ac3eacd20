"""Files that are written whole or not at all."""

import contextlib
import os
from pathlib import Path

import msgspec

__all__ = ["replace_file", "write_json"]


def replace_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Put `content` in place of the file, if any.

    Args:
        mode: Permissions of the new file, less the process' umask; it never has others.

    Raises:
        OSError: The content cannot be written; the file is as it was.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        # Left by a process that had the same number and was killed: its permissions may be others.
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, and make its folder if need be.

    Raises:
        OSError: It cannot be written; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
