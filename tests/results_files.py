"""Results files with other content, as someone writes it who knows how rows are summed."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from controller.results.encoding import SUM
from controller.results.tables import TABLES

__all__ = ["edited", "seal"]


@contextlib.contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    """The database of a results file; on exit the sums match the rows again."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db
        seal(db)


def seal(db: sqlite3.Connection) -> None:
    """Make each row's sum match the row; a row with half a character has none, and stays."""
    db.text_factory = lambda content: content.decode(errors="surrogateescape")
    for table in TABLES.values():
        rows = db.execute(f"SELECT rowid, {', '.join(table.names)}, {SUM} FROM {table.name}").fetchall()
        for number, *values, before in rows:
            with contextlib.suppress(UnicodeEncodeError):
                if (after := table.sum_of(values)) != before:
                    db.execute(f"UPDATE {table.name} SET {SUM} = ? WHERE rowid = ?", (after, number))
