"""Rows as a results file keeps them: a dataclass as the columns of a table, typed when it is read.

Every row carries a sum over its other columns, so that no flipped bit of it goes unnoticed.
"""

import dataclasses
import functools
import hashlib
import json
import sqlite3
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "LIKE",
    "SUM",
    "RowError",
    "Scanned",
    "Table",
    "dump",
    "insert",
    "scan",
    "select",
    "select_with_own",
]

LIKE: Final = "like"
"""In `msgspec.Meta.extra`: a type that a value must convert to, though it is kept as it is."""

SUM: Final = "sum"
_SQL_TYPES: Final = {bool: "INTEGER", int: "INTEGER", float: "REAL", bytes: "BLOB"}
_SUM_BYTES: Final = 8

Row = TypeVar("Row", bound="DataclassInstance")


class RowError(ValueError):
    """A row that no sweep wrote, damaged or forged."""

    def __init__(self, table: str, row: int, column: str, why: str) -> None:
        super().__init__(f"table {table}, row {row}, column {column}: {why}")
        self.table, self.row, self.column = table, row, column


def dump(value: Any) -> str:
    """Canonical JSON.

    Raises:
        ValueError: A number in it is not finite.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dataclasses.asdict
    )


class _Column:
    """A field of a dataclass as a column: what is no number, text or bytes is JSON."""

    def __init__(self, name: str, hint: Any) -> None:
        self.name, self._hint = name, hint
        parts = typing.get_args(hint) if _is_union(hint) else (hint,)
        (plain,) = (_bare(part) for part in parts if part is not types.NoneType)
        self._is_bool = plain is bool
        is_text = plain is str or typing.get_origin(plain) is typing.Literal
        self._sql_type = _SQL_TYPES.get(plain, "TEXT")
        self._json = None if is_text or plain in _SQL_TYPES else msgspec.json.Decoder(hint)
        self._like = _like(hint)
        self.definition = f"{name} {self._sql_type}{'' if len(parts) > 1 else ' NOT NULL'}"

    def to_sql(self, value: Any) -> Any:
        if value is None:
            return None
        if self._json is not None:
            return dump(value)
        # As SQLite returns it, for the row's sum: it keeps neither true nor a negative zero.
        if self._sql_type == "REAL":
            return float(value) + 0.0
        return int(value) if self._is_bool else value

    def from_sql(self, value: Any) -> Any:
        if self._json is not None and value is not None:
            if not isinstance(value, str):
                raise TypeError(f"Expected JSON, got `{type(value).__name__}`")
            value = self._json.decode(value)
        else:
            if self._is_bool and value in (0, 1):
                value = bool(value)
            value = msgspec.convert(value, self._hint, builtin_types=(bytes,))
        if self._like is not None:
            msgspec.convert(value, self._like)
        return value


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _like(hint: Any) -> Any:
    extras = (meta.extra for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((extra[LIKE] for extra in extras if extra and LIKE in extra), None)


@dataclass(frozen=True)
class Table(Generic[Row]):
    """The table that keeps rows of a kind.

    Attributes:
        own: Columns that the rows have no fields for, as SQL defines them.
        constraints: Keys and references, as SQL defines them.
        otherwise: What SQL does with a new row whose key the table has.
    """

    name: str
    kind: type[Row]
    constraints: str
    own: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = "ABORT"

    @functools.cached_property
    def columns(self) -> tuple[_Column, ...]:
        hints = typing.get_type_hints(self.kind, include_extras=True)
        return tuple(_Column(each.name, hints[each.name]) for each in dataclasses.fields(self.kind))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """All columns but the sum, in the order of the table."""
        return (*self.own, *(column.name for column in self.columns))

    @property
    def definition(self) -> str:
        """The statement that creates it."""
        own = (f"{name} {sql}" for name, sql in self.own.items())
        columns = ", ".join((*own, *(column.definition for column in self.columns), f"{SUM} TEXT NOT NULL"))
        return f"CREATE TABLE {self.name} ({columns}, {self.constraints})"

    @functools.cached_property
    def insertion(self) -> str:
        names = (*self.names, SUM)
        marks = ", ".join("?" * len(names))
        return f"INSERT OR {self.otherwise} INTO {self.name} ({', '.join(names)}) VALUES ({marks})"

    def sum_of(self, values: typing.Sequence[Any]) -> str:
        """The sum of a row, whose values are in the order of `names`."""
        content = msgspec.msgpack.encode((self.name, *values))
        return hashlib.blake2b(content, digest_size=_SUM_BYTES).hexdigest()

    def read(self, row: int, values: typing.Sequence[Any]) -> Row:
        """The row with these values, in the order of `names`, its sum last.

        Raises:
            RowError: One of them is of another type, out of bounds, or does not match the sum.
        """
        fields = {}
        for column, value in zip(self.columns, values[len(self.own) : -1], strict=True):
            try:
                fields[column.name] = column.from_sql(value)
            except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
                raise RowError(self.name, row, column.name, str(error)) from error
        try:
            sum_of_row = self.sum_of(values[:-1])
        except (UnicodeError, msgspec.MsgspecError, OverflowError) as error:
            raise RowError(self.name, row, SUM, str(error)) from error
        if values[-1] != sum_of_row:
            raise RowError(self.name, row, SUM, "does not match the row's other columns")
        return self.kind(**fields)


def insert(db: sqlite3.Connection, table: Table[Row], *rows: Row, **own: object) -> None:
    """Insert rows, each with the values of the table's `own` columns.

    Raises:
        RowError: No reader would accept one of them.
    """
    extra = [own[name] for name in table.own]
    for row in rows:
        values = [*extra, *(column.to_sql(getattr(row, column.name)) for column in table.columns)]
        values.append(table.sum_of(values))
        table.read(0, values)
        db.execute(table.insertion, values)


class Scanned(NamedTuple, Generic[Row]):
    """A row with its number and the values of its table's `own` columns, or what is wrong with it."""

    number: int
    own: tuple[Any, ...]
    row: Row | RowError


def scan(
    db: sqlite3.Connection, table: Table[Row], condition: str = "TRUE", values: typing.Sequence[object] = ()
) -> Iterator[Scanned[Row]]:
    """Every row of `table` under a condition in SQL, good or bad, in the order of insertion."""
    statement = f"SELECT rowid, {', '.join(table.names)}, {SUM} FROM {table.name} WHERE {condition}"
    for number, *row in db.execute(f"{statement} ORDER BY rowid", values):
        try:
            read: Row | RowError = table.read(number, row)
        except RowError as error:
            read = error
        yield Scanned(number, tuple(row[: len(table.own)]), read)


def select(db: sqlite3.Connection, table: Table[Row], **where: object) -> Iterator[Row]:
    """Every row of `table` whose columns have the values of `where`, in the order of insertion.

    Raises:
        RowError: No sweep wrote one of them.
    """
    return (row for _, row in select_with_own(db, table, **where))


def select_with_own(
    db: sqlite3.Connection, table: Table[Row], **where: object
) -> Iterator[tuple[tuple[Any, ...], Row]]:
    """As `select`, each row behind the values of its table's `own` columns."""
    condition = " AND ".join(f"{column} = ?" for column in where) or "TRUE"
    for scanned in scan(db, table, condition, tuple(where.values())):
        if isinstance(scanned.row, RowError):
            raise scanned.row
        yield scanned.own, scanned.row
