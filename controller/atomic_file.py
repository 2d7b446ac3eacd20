"""A struct as a JSON file: whole, or not there at all."""

import contextlib
import os
from pathlib import Path

import msgspec

__all__ = ["write_json"]


def write_json(path: Path, struct: msgspec.Struct) -> None:
    """Write a struct as indented JSON, and its folder where there is none.

    Raises:
        OSError: It cannot be written; what stood there before stands there still.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(struct), indent=1))
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
