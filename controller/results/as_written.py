"""Rows that no sweep has written: damaged, or made up. They are the file's fault, and the file is named."""

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
"""What reading rows raises that are not what a sweep writes."""

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
    """Have a method that reads rows raise StoreError where they are not what a sweep writes."""

    @functools.wraps(read)
    def checked(results: R, /, *arguments: P.args, **named: P.kwargs) -> T:
        with _told(results):
            return read(results, *arguments, **named)

    return checked


def each_as_written(
    read: Callable[Concatenate[R, P], Iterator[T]],
) -> Callable[Concatenate[R, P], Iterator[T]]:
    """`as_written` for a method that gives rows one by one."""

    @functools.wraps(read)
    def checked(results: R, /, *arguments: P.args, **named: P.kwargs) -> Iterator[T]:
        with _told(results):
            yield from read(results, *arguments, **named)

    return checked


@contextmanager
def _told(results: _Results) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        # The upper bits say more of the same; an error of Python's own module has no code.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_FAULT_OF_THE_FILE:
            raise
        raise StoreError(
            f"results file {results.path} holds what no sweep writes ({type(error).__name__}: {error}); "
            f"`python -m controller check {results.path}` says where"
        ) from error
