"""Turn errors from rows that no sweep wrote, damaged or forged, into errors that name the file."""

import functools
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from controller.errors import StoreError

__all__ = ["UNREADABLE", "as_written", "each_as_written"]

UNREADABLE: Final = (
    *(ValueError, LookupError, TypeError, AttributeError, RecursionError, EOFError, OSError),
    *(zipfile.BadZipFile, zlib.error, sqlite3.DatabaseError),
)
"""Exceptions from reading rows that no sweep wrote."""

_NO_FAULT_OF_THE_FILE: Final = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CANTOPEN),
)


class _Results(Protocol):
    path: Path


R = TypeVar("R", bound=_Results)
P = ParamSpec("P")
T = TypeVar("T")


def as_written(read: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], T]:
    """Make a method that reads rows raise StoreError for rows that no sweep wrote."""

    @functools.wraps(read)
    def checked(results: R, /, *arguments: P.args, **named: P.kwargs) -> T:
        with _naming(results):
            return read(results, *arguments, **named)

    return checked


def each_as_written(
    read: Callable[Concatenate[R, P], Iterator[T]],
) -> Callable[Concatenate[R, P], Iterator[T]]:
    """`as_written` for a method that yields rows one by one."""

    @functools.wraps(read)
    def checked(results: R, /, *arguments: P.args, **named: P.kwargs) -> Iterator[T]:
        with _naming(results):
            yield from read(results, *arguments, **named)

    return checked


@contextmanager
def _naming(results: _Results) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        # The upper bits say more of the same; an error of Python's own module has no code.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_FAULT_OF_THE_FILE:
            raise
        raise StoreError(
            f"results file {results.path} holds rows that no sweep wrote ({type(error).__name__}: {error}); "
            f"run `python -m controller check {results.path}` to find them"
        ) from error
