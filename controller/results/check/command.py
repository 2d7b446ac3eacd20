"""`python -m controller check RESULTS`."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from controller.errors import StoreError
from controller.results import UNREADABLE, Results
from controller.results.check.records import record_findings
from controller.results.check.rows import row_findings
from controller.results.check.salvage import save

__all__ = ["findings", "run_check"]


def run_check(path: Path, save_to: Path | None = None) -> bool:
    """Print what is wrong with a results file, a line each, and a summary at the end.

    Args:
        path: The results file. A sweep may be writing it.
        save_to: A new file for what can still be read.

    Returns:
        Whether nothing is wrong.

    Raises:
        StoreError: There is no such file, or it is not a results file at all; or `save_to` is not to be had.
    """
    with Results.open(path, whole=False) as results:
        try:
            found = list(findings(results))
            told = _summary(results)
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path} is not a results file of this edgecut ({error})") from error
        except (*UNREADABLE, StoreError) as error:
            found, told = [_unreadable(error)], ""
    for line in found:
        print(line)
    if save_to is not None:
        saved = save(path, save_to)
        print(
            f"saved {saved.trials} finished trials ({saved.rows} rows) to {save_to}; sweep on with --results"
        )
    elif any(line.startswith("the file is damaged") for line in found):
        print(
            f"what can be read of it: python -m controller check {path} --save NEW, then sweep --results NEW"
        )
    if found:
        print(f"{path}: {len(found)} finding{'s' if len(found) > 1 else ''}")
    else:
        print(f"{path}: {told}; nothing wrong")
    return not found


def _unreadable(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, StoreError) else error
    if isinstance(cause, sqlite3.DatabaseError):
        return f"the file is damaged: {cause}"
    return f"a row holds what no sweep writes ({type(cause).__name__}: {cause})"


def _summary(results: Results) -> str:
    cells = len(results.cells())
    trials_a_cell = results.experiment()["trials"]
    done, voids = len(results.finished()), len(results.voids())
    return f"{cells} cells, {done} of {cells * trials_a_cell} trials finished, {voids} void"


def findings(results: Results) -> Iterator[str]:
    """Everything that is wrong; where the database itself is damaged, that alone."""
    damage = results.damage()
    if damage:
        yield f"the file is damaged: {damage}"
        return
    yield from row_findings(results.connection)
    yield from record_findings(results.connection)
