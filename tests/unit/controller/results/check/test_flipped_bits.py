"""`controller check` notices every flipped bit of a results file's content."""

import contextlib
import random
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest

from controller.errors import StoreError
from controller.results import Results
from controller.results.check.command import findings
from controller.results.encoding import SUM
from controller.results.tables import TABLES
from tests.results_files import write_full


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_full(tmp_path_factory.mktemp("whole") / "r.sqlite").read_bytes()


def flipped(value: Any, rng: random.Random) -> Any:
    """A value with another bit; text as bytes, since it may be no text any more."""
    if isinstance(value, int):
        return value ^ 1 << rng.randrange(40)
    if isinstance(value, float):
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
        return struct.unpack("<d", struct.pack("<q", bits ^ 1 << rng.randrange(52)))[0]
    content = bytearray(value.encode() if isinstance(value, str) else value)
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def found(path: Path) -> set[str]:
    try:
        with Results.open(path, whole=False) as results:
            return set(findings(results))
    except StoreError as error:
        return {str(error)}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_flipped_bit_of_any_column_is_noticed(table: Any, whole: bytes, tmp_path: Path) -> None:
    path, rng = tmp_path / "r.sqlite", random.Random(table.name)
    path.write_bytes(whole)
    before = found(path)
    names = (*table.names, SUM)
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT rowid, {', '.join(names)} FROM {table.name}").fetchall()
    for number, *values in dict.fromkeys((rows[0], rows[-1])):
        for column, value in zip(names, values, strict=True):
            if value is None or value == "":
                continue
            with (
                contextlib.closing(sqlite3.connect(path)) as db,
                contextlib.suppress(sqlite3.IntegrityError),
                db,
            ):
                new = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
                statement = f"UPDATE {table.name} SET {column} = {new} WHERE rowid = ?"
                db.execute(statement, (flipped(value, rng), number))
            if path.read_bytes() != whole:
                assert found(path) - before, (column, number)
                path.write_bytes(whole)


def test_a_flipped_bit_of_the_file_is_noticed_or_changes_nothing(whole: bytes, tmp_path: Path) -> None:
    path, rng = tmp_path / "r.sqlite", random.Random(5)
    path.write_bytes(whole)
    before, content, changed = found(path), _content(path), 0
    for _ in range(100):
        position = rng.randrange(100, len(whole))
        path.write_bytes(
            whole[:position] + bytes([whole[position] ^ 1 << rng.randrange(8)]) + whole[position + 1 :]
        )
        if not found(path) - before:
            assert _content(path) == content, position
        else:
            changed += 1
    # Most of a small file is unused.
    assert changed > 10


def _content(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [db.execute(f"SELECT * FROM {table.name}").fetchall() for table in TABLES.values()]
