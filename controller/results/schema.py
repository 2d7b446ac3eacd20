"""The tables of a results file, and how one is opened."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Literal

from controller.errors import StoreError
from controller.results.encoding import definitions
from controller.results.rows import (
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    Drift,
    MeasuredLink,
    Predicted,
    Profiling,
    Scope,
)

__all__ = [
    "SCHEMA_VERSION",
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
    trials INTEGER NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE environment (id INTEGER PRIMARY KEY, taken_at TEXT NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE device (
    environment INTEGER NOT NULL REFERENCES environment, name TEXT NOT NULL, kind TEXT NOT NULL,
    slowdown REAL NOT NULL, stamp TEXT NOT NULL, PRIMARY KEY (environment, name));
CREATE TABLE bundle (digest TEXT PRIMARY KEY, model TEXT NOT NULL, manifest TEXT NOT NULL);
CREATE TABLE network (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, shaping TEXT NOT NULL, asked TEXT NOT NULL);
CREATE TABLE cell (
    id TEXT PRIMARY KEY, {definitions(Cell)},
    FOREIGN KEY (bundle) REFERENCES bundle, FOREIGN KEY (network) REFERENCES network);
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
    UNIQUE (bundle, device, batch, number, threads), FOREIGN KEY (bundle) REFERENCES bundle);
CREATE TABLE accuracy (
    {definitions(Accuracy)}, PRIMARY KEY (bundle, cuts), FOREIGN KEY (bundle) REFERENCES bundle);
CREATE TABLE drift (
    id INTEGER PRIMARY KEY, environment INTEGER NOT NULL REFERENCES environment, {definitions(Drift)});
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
CREATE TABLE scope ({definitions(Scope)}, PRIMARY KEY (network));
CREATE TABLE profiling (
    {definitions(Profiling)}, PRIMARY KEY (bundle, batch, threads));
CREATE TABLE predicted (
    {definitions(Predicted)}, PRIMARY KEY (cell), FOREIGN KEY (cell) REFERENCES cell);
"""

SCHEMA_VERSION = hashlib.sha256(" ".join(_SCHEMA.split()).encode()).hexdigest()[:8]
"""Follows from the tables, so that a new column is a new version."""


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    mode = "rwc" if writable else "ro"
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
        if writable:
            db.execute("PRAGMA journal_mode = WAL")
            # FULL: a finished trial must survive the power going, not only the process.
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
        found = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise StoreError(f"{path} is not a results file of edgecut ({error})") from error
    if found is None or found[0] != SCHEMA_VERSION:
        version = found[0] if found else "none"
        raise StoreError(f"{path} has schema version {version}, this edgecut reads {SCHEMA_VERSION}")


def check_whole(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError: the file was cut short, or a page of it is torn."""
    told = damage(db, "quick_check")
    if told:
        raise _damaged(path, told)


def _damaged(path: Path, told: str) -> StoreError:
    return StoreError(
        f"results file {path} is damaged ({told}); `python -m controller check {path} --save NEW` saves what "
        f"can be read"
    )


def read_though_cut_short(db: sqlite3.Connection) -> None:
    """Have SQLite read pages of a file that has fewer of them than it says; otherwise it reads none."""
    db.execute("PRAGMA writable_schema = ON")


def damage(db: sqlite3.Connection, how: Literal["quick_check", "integrity_check"]) -> str:
    """What SQLite says is wrong with the file, in one line; empty where nothing is."""
    try:
        told = [line for (line,) in db.execute(f"PRAGMA {how}(10)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    if told == ["ok"]:
        return ""
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    return " ".join(told[0].split()) + more
