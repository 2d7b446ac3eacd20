"""A results file's tables, and its opening and checks."""

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from controller.errors import StoreError
from controller.results.encoding import definitions
from controller.results.rows import (
    Accuracy,
    BaselineTrial,
    Block,
    Cell,
    CodecAccuracy,
    DeviceRow,
    FullSpeed,
    Look,
    MeasuredLink,
    Predicted,
    Profiling,
    ReferenceBox,
    Saturation,
    Scope,
    Sentinel,
    TimeAlone,
)

__all__ = [
    "SCHEMA_VERSION",
    "TABLES",
    "check_version",
    "check_whole",
    "connect",
    "damage",
    "prepare",
    "read_though_cut_short",
]

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE experiment (
    digest TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, seed INTEGER NOT NULL,
    trials INTEGER NOT NULL, least INTEGER NOT NULL, until REAL, objectives TEXT NOT NULL,
    created_at TEXT NOT NULL);
CREATE TABLE environment (id INTEGER PRIMARY KEY, taken_at TEXT NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE device (
    environment INTEGER NOT NULL REFERENCES environment, {definitions(DeviceRow)},
    PRIMARY KEY (environment, name));
CREATE TABLE bundle (digest TEXT PRIMARY KEY, model TEXT NOT NULL, manifest TEXT NOT NULL);
CREATE TABLE network (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, shaping TEXT NOT NULL, requested TEXT NOT NULL);
CREATE TABLE cell (
    id TEXT PRIMARY KEY, {definitions(Cell)},
    FOREIGN KEY (bundle) REFERENCES bundle, FOREIGN KEY (network) REFERENCES network);
CREATE TABLE saturation (
    {definitions(Saturation)}, PRIMARY KEY (cell), FOREIGN KEY (cell) REFERENCES cell);
CREATE TABLE block (
    {definitions(Block)}, PRIMARY KEY (network, number), FOREIGN KEY (network) REFERENCES network);
CREATE TABLE trial (
    id INTEGER PRIMARY KEY, cell TEXT NOT NULL REFERENCES cell, number INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'void')), reason TEXT, device TEXT,
    environment INTEGER NOT NULL REFERENCES environment, started_at TEXT NOT NULL,
    elapsed_s REAL, requests INTEGER, checked INTEGER, worst_error REAL,
    hops TEXT, links TEXT, records BLOB, course TEXT NOT NULL DEFAULT '{{}}');
CREATE UNIQUE INDEX trial_done ON trial (cell, number) WHERE status = 'done';
CREATE TABLE baseline (
    id INTEGER PRIMARY KEY, environment INTEGER NOT NULL REFERENCES environment,
    {definitions(BaselineTrial)},
    UNIQUE (network, bundle, device, batch, number, threads), FOREIGN KEY (bundle) REFERENCES bundle,
    FOREIGN KEY (network) REFERENCES network);
CREATE TABLE full_speed (
    environment INTEGER NOT NULL REFERENCES environment, {definitions(FullSpeed)},
    PRIMARY KEY (bundle, device, start, stop, batch, threads), FOREIGN KEY (bundle) REFERENCES bundle);
CREATE TABLE time_alone (
    environment INTEGER NOT NULL REFERENCES environment, {definitions(TimeAlone)},
    PRIMARY KEY (network, block, bundle, device, start, stop, batch, threads),
    FOREIGN KEY (bundle) REFERENCES bundle,
    FOREIGN KEY (network, block) REFERENCES block (network, number));
CREATE TABLE accuracy (
    {definitions(Accuracy)}, PRIMARY KEY (bundle, cuts), FOREIGN KEY (bundle) REFERENCES bundle);
CREATE TABLE sentinel (
    environment INTEGER NOT NULL REFERENCES environment, {definitions(Sentinel)},
    PRIMARY KEY (network, block, device, receiver),
    FOREIGN KEY (network, block) REFERENCES block (network, number));
CREATE TABLE telemetry (
    trial INTEGER NOT NULL REFERENCES trial, device TEXT NOT NULL, at_s REAL NOT NULL,
    sample TEXT NOT NULL);
CREATE INDEX telemetry_trial ON telemetry (trial, device);
CREATE TABLE link (
    id INTEGER PRIMARY KEY, {definitions(MeasuredLink)},
    FOREIGN KEY (environment) REFERENCES environment);
CREATE TABLE codec_accuracy (
    {definitions(CodecAccuracy)}, PRIMARY KEY (bundle, cuts, devices, source, codec, batch),
    FOREIGN KEY (bundle) REFERENCES bundle);
CREATE TABLE reference_box (
    {definitions(ReferenceBox)}, PRIMARY KEY (bundle, network), FOREIGN KEY (bundle) REFERENCES bundle,
    FOREIGN KEY (network) REFERENCES network);
CREATE TABLE look (
    {definitions(Look)}, PRIMARY KEY (network, block), FOREIGN KEY (network) REFERENCES network);
CREATE TABLE scope ({definitions(Scope)}, PRIMARY KEY (network));
CREATE TABLE profiling (
    {definitions(Profiling)}, PRIMARY KEY (bundle, batch, threads));
CREATE TABLE predicted (
    {definitions(Predicted)}, PRIMARY KEY (cell), FOREIGN KEY (cell) REFERENCES cell);
"""

SCHEMA_VERSION = hashlib.sha256(" ".join(_SCHEMA.split()).encode()).hexdigest()[:8]
"""Follows from the tables, so that a new column is a new version."""


class _Table(NamedTuple):
    name: str
    otherwise: str = "ABORT"


TABLES: Final[Mapping[type, _Table]] = {
    Accuracy: _Table("accuracy", "REPLACE"),
    BaselineTrial: _Table("baseline"),
    Block: _Table("block", "REPLACE"),
    Cell: _Table("cell", "IGNORE"),
    CodecAccuracy: _Table("codec_accuracy", "REPLACE"),
    DeviceRow: _Table("device"),
    FullSpeed: _Table("full_speed", "IGNORE"),
    Look: _Table("look", "REPLACE"),
    MeasuredLink: _Table("link"),
    Predicted: _Table("predicted", "IGNORE"),
    Profiling: _Table("profiling", "REPLACE"),
    ReferenceBox: _Table("reference_box", "REPLACE"),
    Saturation: _Table("saturation", "REPLACE"),
    Scope: _Table("scope", "REPLACE"),
    Sentinel: _Table("sentinel", "REPLACE"),
    TimeAlone: _Table("time_alone", "REPLACE"),
}
"""The table of each kind of row, and what SQL does with a new row whose key the table has."""


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    mode = "rwc" if writable else "ro"
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
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


def prepare(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in _SCHEMA.split(";"):
            if statement.strip():
                db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
    check_version(db, path)


def check_version(db: sqlite3.Connection, path: Path) -> None:
    try:
        row = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise StoreError(f"{path} is not a results file of edgecut ({error})") from error
    if row is None or row[0] != SCHEMA_VERSION:
        version = row[0] if row else "none"
        raise StoreError(f"{path} has schema version {version}, this edgecut reads {SCHEMA_VERSION}")


def check_whole(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError if the file is truncated or has a torn page."""
    finding = damage(db, "quick_check")
    if finding:
        raise _damaged(path, finding)


def _damaged(path: Path, finding: str) -> StoreError:
    return StoreError(
        f"results file {path} is damaged ({finding}); run `python -m controller check {path} --save NEW` to "
        f"salvage its readable part"
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
