"""Values as a results file keeps them: JSON, packed arrays, and a dataclass as the columns of a table."""

import functools
import io
import json
import sqlite3
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["column_names", "definitions", "dump", "from_columns", "insert", "pack", "select", "unpack"]

_SQL_TYPES = {bool: "INTEGER", int: "INTEGER", float: "REAL"}

Row = TypeVar("Row", bound="DataclassInstance")


def dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


class _Column(NamedTuple):
    """A field of a dataclass as a column: tuples and mappings are JSON."""

    name: str
    type: Any
    optional: bool

    @property
    def definition(self) -> str:
        required = "" if self.optional else " NOT NULL"
        return f"{self.name} {_SQL_TYPES.get(self.type, 'TEXT')}{required}"

    def to_sql(self, value: Any) -> Any:
        return dump(value) if self.type in (tuple, dict) else value

    def from_sql(self, value: Any) -> Any:
        if self.type in (tuple, dict):
            return self.type(json.loads(value))
        return bool(value) if self.type is bool else value


@functools.cache
def _columns(kind: type["DataclassInstance"]) -> tuple[_Column, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(_column(field.name, hints[field.name]) for field in fields(kind))


def _column(name: str, hint: Any) -> _Column:
    optional = isinstance(hint, types.UnionType)
    if optional:
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    origin = typing.get_origin(hint) or hint
    return _Column(name, dict if origin is Mapping else origin, optional)


def definitions(kind: type["DataclassInstance"]) -> str:
    """The columns of a table that keeps `kind`, as SQL defines them."""
    return ", ".join(column.definition for column in _columns(kind))


def column_names(kind: type["DataclassInstance"]) -> str:
    return ", ".join(column.name for column in _columns(kind))


def from_columns(kind: type[Row], values: tuple[Any, ...]) -> Row:
    """The row whose columns, in the order of `column_names`, hold these values."""
    columns = zip(_columns(kind), values, strict=True)
    return kind(**{column.name: column.from_sql(value) for column, value in columns})


def insert(
    db: sqlite3.Connection, table: str, row: "DataclassInstance", *, otherwise: str = "ABORT", **more: object
) -> None:
    """Insert `row`, with `more` columns that it has no fields for; `otherwise` is SQL's conflict clause."""
    values = {column.name: column.to_sql(getattr(row, column.name)) for column in _columns(type(row))} | more
    marks = ", ".join("?" * len(values))
    db.execute(
        f"INSERT OR {otherwise} INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
    )


def select(db: sqlite3.Connection, table: str, kind: type[Row], **where: object) -> Iterator[Row]:
    """Every row of `table` whose columns have the values of `where`, in the order of insertion."""
    condition = " AND ".join(f"{column} = ?" for column in where) or "TRUE"
    statement = f"SELECT {column_names(kind)} FROM {table} WHERE {condition} ORDER BY rowid"
    for values in db.execute(statement, tuple(where.values())):
        yield from_columns(kind, values)
