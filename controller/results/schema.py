"""A results file's tables, and its opening and checks."""

import io
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.errors import StoreError

__all__ = [
    "SCHEMA_VERSION",
    "check_version",
    "check_whole",
    "connect",
    "damage",
    "dump",
    "pack",
    "prepare",
    "read_though_cut_short",
    "unpack",
]

SCHEMA_VERSION = 2

_SCHEMA = """
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
    id TEXT PRIMARY KEY, model TEXT NOT NULL, bundle TEXT NOT NULL REFERENCES bundle,
    precision TEXT NOT NULL, cuts TEXT NOT NULL, label TEXT NOT NULL, devices TEXT NOT NULL,
    source TEXT NOT NULL, depth INTEGER NOT NULL, batch INTEGER NOT NULL, codec TEXT NOT NULL,
    backend TEXT NOT NULL, network TEXT NOT NULL REFERENCES network, shaping TEXT NOT NULL,
    load TEXT NOT NULL, prefetch INTEGER, topology TEXT NOT NULL, threads INTEGER);
CREATE TABLE trial (
    id INTEGER PRIMARY KEY, cell TEXT NOT NULL REFERENCES cell, number INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'void')), reason TEXT, device TEXT,
    environment INTEGER NOT NULL REFERENCES environment, started_at TEXT NOT NULL,
    elapsed_s REAL, requests INTEGER, checked INTEGER, worst_error REAL,
    hops TEXT, links TEXT, records BLOB, course TEXT NOT NULL DEFAULT '{}');
CREATE UNIQUE INDEX trial_done ON trial (cell, number) WHERE status = 'done';
CREATE TABLE baseline (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, bundle TEXT NOT NULL REFERENCES bundle,
    device TEXT NOT NULL, batch INTEGER NOT NULL, number INTEGER NOT NULL, threads INTEGER NOT NULL,
    environment INTEGER NOT NULL REFERENCES environment, taken_at TEXT NOT NULL,
    compute_s TEXT NOT NULL, UNIQUE (bundle, device, batch, number, threads));
CREATE TABLE accuracy (
    bundle TEXT NOT NULL REFERENCES bundle, cuts TEXT NOT NULL, samples INTEGER NOT NULL,
    whole REAL, chain REAL, worst_error REAL NOT NULL, PRIMARY KEY (bundle, cuts));
CREATE TABLE drift (
    id INTEGER PRIMARY KEY, network TEXT NOT NULL, environment INTEGER NOT NULL REFERENCES environment,
    taken_at TEXT NOT NULL, trials_before INTEGER NOT NULL, latency_s REAL NOT NULL);
CREATE TABLE telemetry (
    trial INTEGER NOT NULL REFERENCES trial, device TEXT NOT NULL, at_s REAL NOT NULL,
    sample TEXT NOT NULL);
CREATE INDEX telemetry_trial ON telemetry (trial, device);
CREATE TABLE link (
    id INTEGER PRIMARY KEY, network TEXT NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL,
    asked TEXT NOT NULL, measured TEXT NOT NULL, taken_at TEXT NOT NULL,
    environment INTEGER REFERENCES environment);
CREATE TABLE codec_accuracy (
    bundle TEXT NOT NULL REFERENCES bundle, cuts TEXT NOT NULL, devices TEXT NOT NULL, source TEXT NOT NULL,
    codec TEXT NOT NULL, batch INTEGER NOT NULL, samples INTEGER NOT NULL, whole REAL, chain REAL,
    worst_error REAL NOT NULL, tensor_error REAL NOT NULL,
    PRIMARY KEY (bundle, cuts, devices, source, codec, batch));
CREATE TABLE scope (
    network TEXT PRIMARY KEY, how TEXT NOT NULL, cells INTEGER NOT NULL, ended TEXT, splits TEXT NOT NULL);
CREATE TABLE profiling (
    bundle TEXT NOT NULL, batch INTEGER NOT NULL, threads INTEGER NOT NULL, took_s REAL NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (bundle, batch, threads));
CREATE TABLE predicted (cell TEXT PRIMARY KEY REFERENCES cell, seconds REAL NOT NULL);
"""


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
        db.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
    check_version(db, path)


def check_version(db: sqlite3.Connection, path: Path) -> None:
    try:
        row = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise StoreError(f"{path} is not a results file of edgecut ({error})") from error
    version = row[0] if row else "none"
    if version != str(SCHEMA_VERSION):
        raise StoreError(
            f"{path} has schema version {version}, but this edgecut reads {SCHEMA_VERSION}; name another "
            f"results file"
        )


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


def dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
