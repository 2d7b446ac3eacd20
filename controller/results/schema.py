"""The opening of a results file, and checks of its schema, its version, its pages and its references."""

import functools
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from controller.errors import StoreError, edgecut_command
from controller.results.encoding import RowError, insert
from controller.results.rows import MetaRow
from controller.results.tables import SCHEMA, TABLES

__all__ = [
    "SCHEMA_VERSION",
    "check_schema",
    "check_whole",
    "connect",
    "damage",
    "dangling",
    "prepare",
    "read_though_cut_short",
]

SCHEMA_VERSION = hashlib.sha256("; ".join(SCHEMA).encode()).hexdigest()[:8]
"""Follows from the tables, so that a new column is a new version."""


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    mode = "rwc" if writable else "ro"
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
        # What is no UTF-8 is for the typed reading to refuse, with the row's name.
        db.text_factory = _text
        if writable:
            db.execute("PRAGMA journal_mode = WAL")
            # FULL: a finished trial must survive a power failure, not only the process's end.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        doing = "written" if writable else "read"
        raise StoreError(f"results file {path} cannot be {doing} ({error})") from error
    return db


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")


def prepare(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in SCHEMA:
            db.execute(statement)
        insert(db, TABLES[MetaRow], MetaRow(_VERSION_KEY, SCHEMA_VERSION))
    check_schema(db, path)


def check_schema(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError unless the file has our tables, in our version, and nothing else that SQLite runs.

    Nothing is read from a table before: in its place may stand a view without end.
    """
    try:
        entries = _entries(db)
        if ("table", "meta", TABLES[MetaRow].definition) not in entries:
            raise StoreError(f"{path} is not a results file of this edgecut")
        row = db.execute("SELECT value FROM meta WHERE key = ?", (_VERSION_KEY,)).fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise StoreError(f"{path} is not a results file of edgecut ({error})") from error
    if row is None or row[0] != SCHEMA_VERSION:
        version = row[0] if row else "none"
        raise StoreError(f"{path} has schema version {version}, this edgecut reads {SCHEMA_VERSION}")
    if others := sorted(str(name) for _, name, _ in entries ^ _own_entries()):
        raise StoreError(f"{path} is not a results file of edgecut ({others[0]} is not as edgecut makes it)")


_VERSION_KEY = "schema_version"
_Entries = frozenset[tuple[str, str, str | None]]


def _entries(db: sqlite3.Connection) -> _Entries:
    return frozenset(db.execute("SELECT type, name, sql FROM sqlite_master"))


@functools.cache
def _own_entries() -> _Entries:
    db = sqlite3.connect(":memory:")
    try:
        for statement in SCHEMA:
            db.execute(statement)
        return _entries(db)
    finally:
        db.close()


def dangling(db: sqlite3.Connection) -> Iterator[RowError]:
    """Every row that refers to a missing one, such as a trial of a missing cell."""
    for table, row, parent, number in db.execute("PRAGMA foreign_key_check").fetchall():
        keys = db.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        columns = [column for key, _, _, column, *_ in keys if key == number]
        (value,) = db.execute(f"SELECT {columns[-1]} FROM {table} WHERE rowid = ?", (row,)).fetchone()
        yield RowError(table, row, columns[-1], f"refers to a missing {parent} {value!r}")


def check_whole(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError if the file is truncated or has a torn page."""
    finding = damage(db, "quick_check")
    if finding:
        raise _damaged(path, finding)


def _damaged(path: Path, finding: str) -> StoreError:
    return StoreError(
        f"results file {path} is damaged ({finding}); run `{edgecut_command('check', path)} "
        f"--save NEW/results.sqlite` to salvage its readable part"
    )


def read_though_cut_short(db: sqlite3.Connection) -> None:
    """Let SQLite read a truncated file's pages, of which it reads none otherwise."""
    db.execute("PRAGMA writable_schema = ON")


def damage(db: sqlite3.Connection, how: Literal["quick_check", "integrity_check"]) -> str:
    """Return SQLite's findings about the file's damage in one line; empty without damage."""
    try:
        findings = [line for (line,) in db.execute(f"PRAGMA {how}(10)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    if findings == ["ok"]:
        return ""
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return " ".join(findings[0].split()) + more
