"""`python -m benchmarks bench-report`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundles
from benchmarks.figures import Figure, Summary, all_hold, summarize
from benchmarks.pages.browser import BrowserError, browse
from benchmarks.pages.reports import Made, make, prepare, usable_s
from benchmarks.pages.results_files import write_results
from benchmarks.report import Report, machine_stamp, save_report
from controller.console import plain_table, say, show, show_table
from controller.errors import ControllerError
from controller.results.provenance import now

__all__ = ["SIZES", "bench_report", "figures_for"]

SIZES: Final = (100, 1000, 5000)
MODELS: Final = ("mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x0_5")
"""With enough clean cuts for the largest size."""
_LOADS: Final = 3


def bench_report(out: Path, folder: Path, sizes: Sequence[int] = SIZES) -> bool:
    """Measure the report of each number of cells, print a table and write the results file.

    Args:
        out: Results file.
        folder: Of the bundles and the results files that are made for it; the reports are removed.
        sizes: Numbers of cells.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: No chromium here, an export or a report failed, or a file cannot be written.
    """
    load = os.getloadavg()[0]
    bundles = list(make_bundles(folder / "bundles", MODELS, say).values())
    values: dict[str, list[float]] = {}
    try:
        with browse("chromium") as browser:
            prepare(browser)
            for cells in sizes:
                results, report = folder / f"{cells}.sqlite", folder / f"{cells}-report"
                results.unlink(missing_ok=True)
                say(f"writing a results file of {cells} cells")
                write_results(results, bundles, cells)
                say(f"making the report of {cells} cells")
                made = make(results, report)
                loads = [usable_s(browser, made.page) for _ in range(_LOADS)]
                values |= _values(cells, made, loads)
                shutil.rmtree(report)
    except BrowserError as error:
        raise ControllerError(str(error)) from error
    summaries = summarize(values)
    save_report(Report(summaries, machine_stamp("bench-report", load), now()), out)
    _print(sizes, summaries)
    show(str(out))
    return all_hold(figures_for(sizes), summaries)


def figures_for(sizes: Sequence[int]) -> tuple[Figure, ...]:
    """The figures and their bounds: the same at every size."""
    return tuple(
        figure
        for cells in sizes
        for figure in (
            Figure(f"made_s_{cells}", f"seconds to make the report of {cells} cells", at_most=60),
            Figure(f"peak_mb_{cells}", "its memory at most, MB", at_most=400),
            Figure(f"page_mb_{cells}", "size of report.html, MB", at_most=10),
            Figure(f"usable_s_{cells}", "seconds until Chromium shows its first figure", at_most=3),
        )
    )


def _values(cells: int, made: Made, loads: Sequence[float]) -> dict[str, list[float]]:
    return {
        f"made_s_{cells}": [made.seconds],
        f"made_cpu_s_{cells}": [made.cpu_s],
        f"peak_mb_{cells}": [made.peak_bytes / 1e6],
        f"page_mb_{cells}": [made.page_bytes / 1e6],
        f"usable_s_{cells}": list(loads),
    }


_WRONG: Final = {
    "made_s": "too slow",
    "peak_mb": "too much memory",
    "page_mb": "too large",
    "usable_s": "too slow to open",
}


def _print(sizes: Sequence[int], summaries: dict[str, Summary]) -> None:
    """A line for each number of cells, with what is beyond its limit."""
    limits = {figure.key: figure for figure in figures_for(sizes)}
    first = {name: limits[f"{name}_{sizes[0]}"].bound(summaries) for name in _WRONG}
    table = plain_table("cells", "made, s", "peak, MB", "page, MB", "usable, s", "")
    for cells in sizes:
        keys = [f"{name}_{cells}" for name in _WRONG]
        beyond = [
            wrong
            for key, wrong in zip(keys, _WRONG.values(), strict=True)
            if limits[key].holds(summaries) is False
        ]
        figures = (f"{summaries[key].median:.3g}" for key in keys)
        table.add_row(f"{cells:,}", *figures, ", ".join(beyond) or "ok")
    table.add_row("limit", *first.values(), "")
    show_table(table)
