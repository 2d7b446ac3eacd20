"""`python -m controller check RESULTS`."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from controller.errors import StoreError
from controller.results import UNREADABLE, Results
from controller.results.check.records import record_findings
from controller.results.check.rows import row_findings
from controller.results.check.salvage import save
from worker.terminal import show

__all__ = ["findings", "run_check"]


def run_check(path: Path, save_to: Path | None = None) -> bool:
    """Print a results file's problems, one per line, and a summary.

    Args:
        path: The results file, even while a sweep writes it.
        save_to: A new file for the readable part.

    Returns:
        Whether the file has no problem.

    Raises:
        StoreError: The file is missing or not a results file, or `save_to` is taken or not writable.
    """
    with Results.open(path, whole=False) as results:
        try:
            problems, summary = list(findings(results)), _summary(results)
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path} is not a results file of this edgecut ({error})") from error
        except (*UNREADABLE, StoreError) as error:
            problems, summary = [_unreadable(error)], ""
    show(*problems)
    if save_to is not None:
        saved = save(path, save_to)
        show(
            f"saved {saved.trials} finished trials ({saved.rows} rows) to {save_to}; resume the sweep with "
            f"--results {save_to}"
        )
    elif any(problem.startswith("the file is damaged") for problem in problems):
        show(
            f"to salvage its readable part: python -m controller check {path} --save NEW, then resume the "
            f"sweep with --results NEW"
        )
    if problems:
        show(f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    else:
        show(f"{path}: {summary}; no problems")
    return not problems


def _unreadable(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, StoreError) else error
    if isinstance(cause, sqlite3.DatabaseError):
        return f"the file is damaged: {cause}"
    return f"a row holds something that no sweep writes ({type(cause).__name__}: {cause})"


def _summary(results: Results) -> str:
    cells, wanted, finished = results.cells(), results.trials_wanted(), results.finished()
    trials = Counter(cell for cell, _ in finished)
    missing = sum(wanted.missing(cell, trials[cell.id]) for cell in cells)
    is_settled = all(wanted.is_settled(cell.network) for cell in cells)
    total = f"{'' if is_settled else 'at least '}{len(finished) + missing}"
    return f"{len(cells)} cells, {len(finished)} of {total} trials finished, {len(results.voids())} void"


def findings(results: Results) -> Iterator[str]:
    """All problems, or only the damage where the database itself is damaged."""
    damage = results.damage()
    if damage:
        yield f"the file is damaged: {damage}"
        return
    yield from row_findings(results.connection)
    yield from record_findings(results.connection)
