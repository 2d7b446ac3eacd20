"""Make one report in a process of its own, and open it in a browser: what both cost."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.pages.browser import Page
from controller.errors import ControllerError

__all__ = ["Made", "make", "prepare", "usable_s"]

_KIB: Final = 1024

# Vega gives every mark's group this class; the load of the page itself counts from the navigation on.
_FIRST_MARK: Final = """
const look = () => {
  if (document.querySelector("[data-chart] svg g.role-mark > *")) window.usableAt = performance.now();
  else requestAnimationFrame(look);
};
look();
"""


@dataclass(frozen=True)
class Made:
    """A report that was made.

    Attributes:
        seconds: By the clock, from the process's start to its end.
        cpu_s: Of all its threads.
        peak_bytes: Resident memory at its fullest.
        page_bytes: Size of report.html.
    """

    page: Path
    seconds: float
    cpu_s: float
    peak_bytes: int
    page_bytes: int


def make(results: Path, out: Path) -> Made:
    """Run `python -m analysis report`, with all its files.

    Raises:
        ControllerError: It fails.
    """
    command = [sys.executable, "-m", "analysis", "report", str(results), "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # Unlike the usage of all children, that of this one alone.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise ControllerError(f"the report of {results} failed with exit code {process.returncode}")
    page = out / "report.html"
    return Made(page, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * _KIB, page.stat().st_size)


def usable_s(browser: Page, page: Path) -> float:
    """Seconds from the start of a navigation to a page's first figure with marks."""
    browser.open(page)
    at_ms: float = browser.wait_for("window.usableAt")
    return at_ms / 1e3


def prepare(browser: Page) -> None:
    """Let a browser note when a page is usable, in a window of a laptop's size."""
    browser.resize(1280, 800)
    browser.before_load(_FIRST_MARK)
