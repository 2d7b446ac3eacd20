"""The tables of a results file, and how one is opened."""

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
        db.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
    check_version(db, path)


def check_version(db: sqlite3.Connection, path: Path) -> None:
    try:
        found = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(path, str(error)) from error
        raise StoreError(f"{path} is not a results file of edgecut ({error})") from error
    if found is None or found[0] != str(SCHEMA_VERSION):
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


def dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
