"""Turn errors from rows that no sweep wrote, damaged or forged, into errors that name the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from controller.errors import StoreError, edgecut_command
from controller.results.encoding import RowError

__all__ = ["as_written"]

_NO_FAULT_OF_THE_FILE: Final = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CANTOPEN),
)


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Raise StoreError where reading rows of the file within finds some that no sweep wrote."""
    try:
        yield
    except (RowError, sqlite3.DatabaseError) as error:
        # The upper bits say more of the same.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_FAULT_OF_THE_FILE:
            raise
        raise StoreError(
            f"results file {path} holds rows that no sweep wrote ({error}); "
            f"run `{edgecut_command('check', path)}` to find them all"
        ) from error
