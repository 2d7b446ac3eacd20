"""A dataclass as the columns of a table."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from controller.results.encoding import definitions, insert, select


@dataclass(frozen=True)
class Row:
    name: str
    cuts: tuple[int, ...]
    stamp: Mapping[str, Any]
    warm: bool
    seconds: float | None
    threads: int | None = None


ROW = Row("x", (1, 2), {"kernel": "6.1"}, True, 0.5)


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE TABLE row (id INTEGER PRIMARY KEY, {definitions(Row)}, UNIQUE (name))")
    return db


def test_each_type_has_its_column() -> None:
    assert definitions(Row) == (
        "name TEXT NOT NULL, cuts TEXT NOT NULL, stamp TEXT NOT NULL, warm INTEGER NOT NULL, seconds REAL, "
        "threads INTEGER"
    )


def test_a_row_comes_back_with_its_types(db: sqlite3.Connection) -> None:
    other = Row("y", (), {}, False, None, 3)
    insert(db, "row", ROW, id=7)
    insert(db, "row", other)
    found = list(select(db, "row", Row))
    assert found == [ROW, other]
    assert [row.warm for row in found] == [True, False]
    assert db.execute("SELECT id FROM row").fetchall() == [(7,), (8,)]


def test_what_becomes_of_a_row_that_is_there_is_said(db: sqlite3.Connection) -> None:
    insert(db, "row", ROW)
    with pytest.raises(sqlite3.IntegrityError):
        insert(db, "row", ROW)
    insert(db, "row", Row("x", (), {}, False, 1.0), otherwise="IGNORE")
    assert list(select(db, "row", Row)) == [ROW]
    replaced = Row("x", (), {}, False, 1.0)
    insert(db, "row", replaced, otherwise="REPLACE")
    assert list(select(db, "row", Row)) == [replaced]
