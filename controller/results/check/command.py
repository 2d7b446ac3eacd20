"""`python -m controller check RESULTS`."""

import shlex
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.errors import edgecut_command
from controller.results import Results
from controller.results.check.records import record_findings
from controller.results.check.rows import row_findings
from controller.results.check.salvage import save
from worker.terminal import show

__all__ = ["findings", "run_check"]

FILE: Final = "results.sqlite"
"""In the folder that `edgecut sweep --results` names."""

_DAMAGED = "the file is damaged: "


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
            problems = list(findings(results))
            summary = "" if problems else _summary(results)
        except sqlite3.DatabaseError as error:
            problems, summary = [f"{_DAMAGED}{error}"], ""
    show(*problems)
    if save_to is not None:
        saved = save(path, save_to)
        show(*(f"kept, though damaged: {line}" for line in saved.damaged))
        show(
            f"saved {saved.trials} finished trials ({saved.rows} rows) to {save_to}; "
            f"{_how_to_resume(save_to)}"
        )
    elif any(problem.startswith(_DAMAGED) for problem in problems):
        show(
            f"to salvage its readable part: {edgecut_command('check', path)} --save NEW/results.sqlite, then "
            f"resume the sweep with --results NEW"
        )
    if problems:
        show(f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    else:
        show(f"{path}: {summary}; no problems")
    return not problems


def _how_to_resume(results: Path) -> str:
    if results.name != FILE:
        return f"to resume the sweep, name it {FILE} in a folder of its own, and the folder with --results"
    return f"resume the sweep with --results {shlex.quote(str(results.parent))}"


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
        yield f"{_DAMAGED}{damage}"
        return
    yield from row_findings(results)
    yield from record_findings(results)
