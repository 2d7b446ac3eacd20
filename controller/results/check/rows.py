"""Find inconsistent rows: trials of missing cells, duplicates, contradictory statuses."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator

from controller.results import PLANTED, read_cells
from exporter.bundle.manifest import digest_of

__all__ = ["row_findings"]

_Findings = Iterator[str]


def row_findings(db: sqlite3.Connection) -> _Findings:
    """Inconsistencies in the tables, without the records."""
    yield from _experiment(db)
    yield from _references(db)
    yield from _bundles(db)
    yield from _cells(db)
    yield from _trials(db)
    yield from _planted(db)


def _experiment(db: sqlite3.Connection) -> _Findings:
    rows = db.execute("SELECT digest, name, text FROM experiment").fetchall()
    if len(rows) != 1:
        names = ", ".join(name for _, name, _ in rows) or "none"
        yield f"the file holds {len(rows)} experiments ({names}) instead of one"
    for digest, name, text in rows:
        if digest != hashlib.sha256(text.encode()).hexdigest():
            yield f"experiment {name}: its text does not match its digest {digest[:12]}"


def _references(db: sqlite3.Connection) -> _Findings:
    """Rows that refer to a missing row, such as a trial of a missing cell."""
    for table, row, parent, key in db.execute("PRAGMA foreign_key_check").fetchall():
        column = next(
            column
            for number, _, _, column, *_ in db.execute(f"PRAGMA foreign_key_list({table})")
            if number == key
        )
        name = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
        yield f"{table} {row}: refers to a missing {parent} {name!r}"


def _bundles(db: sqlite3.Connection) -> _Findings:
    for digest, model, text in db.execute("SELECT digest, model, manifest FROM bundle"):
        try:
            manifest = json.loads(text)
            is_right = manifest["digest"] == digest == digest_of(manifest)
        except (ValueError, KeyError, TypeError):
            is_right = False
        if not is_right:
            yield f"bundle {digest[:12]} ({model}): its manifest does not match that digest"


def _cells(db: sqlite3.Connection) -> _Findings:
    for stored_id, cell in read_cells(db):
        if cell.id != stored_id:
            yield f"cell {stored_id}: its fields give the id {cell.id}"


def _trials(db: sqlite3.Connection) -> _Findings:
    twice = db.execute(
        "SELECT cell, number, count(*) FROM trial WHERE status = 'done' GROUP BY cell, number "
        "HAVING count(*) > 1"
    )
    for cell, number, count in twice:
        yield f"cell {cell}: holds trial {number} {count} times"
    stray = db.execute(
        "SELECT trial.id, network, trial.number FROM trial JOIN cell ON cell.id = trial.cell "
        "WHERE NOT EXISTS (SELECT 1 FROM block WHERE (network, number) = (cell.network, trial.number))"
    )
    for trial, network, number in stray:
        yield f"trial {trial}: is of block {number} under {network}, which the file lacks"
    for (trial,) in db.execute("SELECT id FROM trial WHERE status = 'done' AND reason IS NOT NULL"):
        yield f"trial {trial}: is finished, but has a reason to be void"
    for (trial,) in db.execute("SELECT id FROM trial WHERE status = 'void' AND records IS NOT NULL"):
        yield f"trial {trial}: is void, but has records"
    for (trial,) in db.execute("SELECT id FROM trial WHERE status = 'void' AND reason IS NULL"):
        yield f"trial {trial}: is void without a reason"
    for device, number, text in db.execute("SELECT device, id, compute_s FROM baseline"):
        if not (times_s := json.loads(text)) or not all(second > 0 for second in times_s):
            yield f"baseline {number} of {device}: has no times, or impossible ones"
    for network, latency_s, sample_s in db.execute(
        "SELECT network, latency_s, sample_s FROM reference_box WHERE NOT (latency_s > 0 AND sample_s > 0)"
    ):
        yield f"reference box of {network}: is empty ({latency_s} s, {sample_s} s a sample)"
    for table, what in (("time_alone", "time alone"), ("full_speed", "time at full speed")):
        for device, start, stop in db.execute(
            f"SELECT device, start, stop FROM {table} WHERE NOT compute_s > 0"
        ):
            yield f"nodes {start} to {stop - 1} on {device}: have an impossible {what}"


def _planted(db: sqlite3.Connection) -> _Findings:
    """Planted times on a device that is recorded as any other."""
    for cell, text, environment in db.execute(
        "SELECT DISTINCT cell.id, planted, environment FROM trial JOIN cell ON trial.cell = cell.id "
        "WHERE planted IS NOT NULL"
    ):
        kinds = dict(db.execute("SELECT name, kind FROM device WHERE environment = ?", (environment,)))
        for device in json.loads(text):
            if (kind := kinds.get(device, PLANTED)) != PLANTED:
                yield f"cell {cell}: has planted times on {device}, which is recorded as {kind}"
