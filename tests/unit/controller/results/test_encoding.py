"""A dataclass as the columns of a table, typed when it is read."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from msgspec import Meta

from controller.results.encoding import RowError, Table, insert, scan, select


@dataclass(frozen=True)
class Row:
    name: str
    cuts: tuple[Annotated[int, Meta(ge=0)], ...]
    stamp: Mapping[str, Any]
    warm: bool
    seconds: float | None
    threads: int | None = None


ROW = Row("x", (1, 2), {"kernel": "6.1"}, True, 0.5)
TABLE = Table("row", Row, "PRIMARY KEY (id), UNIQUE (name)", own={"id": "INTEGER NOT NULL"})


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute(TABLE.definition)
    return db


def test_each_type_has_its_column() -> None:
    assert TABLE.definition == (
        "CREATE TABLE row (id INTEGER NOT NULL, name TEXT NOT NULL, cuts TEXT NOT NULL, stamp TEXT NOT NULL, "
        "warm INTEGER NOT NULL, seconds REAL, threads INTEGER, sum TEXT NOT NULL, "
        "PRIMARY KEY (id), UNIQUE (name))"
    )


def test_a_row_comes_back_with_its_types(db: sqlite3.Connection) -> None:
    # SQLite keeps 2.0 as 2, and no negative zero.
    others = [Row("y", (), {}, False, None, 3), Row("z", (), {}, True, 2), Row("zz", (), {}, True, -0.0)]
    insert(db, TABLE, ROW, id=7)
    for number, other in enumerate(others, 8):
        insert(db, TABLE, other, id=number)
    found = list(select(db, TABLE))
    assert found == [ROW, *others]
    assert [row.warm for row in found[:2]] == [True, False]
    assert [own for _, own, _ in scan(db, TABLE)] == [(7,), (8,), (9,), (10,)]


@pytest.mark.parametrize(("otherwise", "kept"), [("IGNORE", ROW), ("REPLACE", replace(ROW, seconds=1.0))])
def test_what_becomes_of_a_row_that_is_there_is_said(
    db: sqlite3.Connection, otherwise: str, kept: Row
) -> None:
    insert(db, TABLE, ROW, id=1)
    with pytest.raises(sqlite3.IntegrityError):
        insert(db, TABLE, ROW, id=1)
    insert(db, replace(TABLE, otherwise=otherwise), replace(ROW, seconds=1.0), id=1)
    assert list(select(db, TABLE)) == [kept]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("seconds", "'soon'", "column seconds: Expected `float | null`, got `str`"),
        ("warm", "2", "column warm: Expected `bool`, got `int`"),
        ("cuts", "'[1, -1]'", r"column cuts: Expected `int` >= 0 - at `\$\[1\]`"),
        ("stamp", "'[]'", "column stamp: Expected `object`, got `array`"),
        ("stamp", "x'7b7d'", "column stamp: Expected JSON, got `bytes`"),
        ("name", "'other'", "column sum: does not match"),
    ],
)
def test_a_bad_row_is_named_by_its_column(db: sqlite3.Connection, column: str, value: str, why: str) -> None:
    insert(db, TABLE, ROW, id=3)
    db.execute(f"UPDATE row SET {column} = {value}")
    with pytest.raises(RowError, match=f"table row, row 3, {why}"):
        list(select(db, TABLE))
