"""`python -m benchmarks bench`."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bundles import make_bundles
from benchmarks.figures import FIGURES, all_hold
from benchmarks.local_workers import choose_cores
from benchmarks.measurement import Measurement
from benchmarks.report import load_report, make_report, markdown, print_report, save_report
from benchmarks.rounds import Clock, measurements, run_rounds
from controller.console import say, show
from controller.errors import ExperimentError, did_you_mean

__all__ = ["QUIET_LOAD", "run_bench", "show_bench"]

_LIMIT_S = 570.0
QUIET_LOAD = 0.3
"""Above this load a machine is too busy for valid figures."""


def run_bench(out: Path, cache: Path, *, rounds: int, only: Sequence[str], cores: str | None) -> bool:
    """Run the benchmark, print its table and write the results file.

    Args:
        out: Results file.
        cache: Folder of the bundles.
        only: Prefixes of the keys of the figures to measure; all figures if empty.
        cores: A core for each device, such as `0,1`.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: The benchmark cannot run here; it wrote nothing.
    """
    # SIGTERM ends the workers too, like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    clock = Clock(_LIMIT_S)
    chosen = _choose(only)
    pinned = choose_cores(cores)
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        say(f"this machine is busy (load {load:.1f}); for valid figures rerun on an idle machine")
    bundles = make_bundles(cache, list(dict.fromkeys(name for one in chosen for name in one.needs)), say)
    values, worker = run_rounds(chosen, bundles, pinned, rounds=rounds, clock=clock, say=say)
    report = make_report(values, worker, load)
    save_report(report, out)
    print_report(report)
    show(f"{out} ({clock.elapsed_s:.0f} s)")
    return all_hold(FIGURES, report.figures)


def show_bench(path: Path, *, as_markdown: bool) -> None:
    """Print the table of an existing results file."""
    report = load_report(path)
    if as_markdown:
        show(*markdown(report).splitlines())
    else:
        print_report(report)


def _choose(only: Sequence[str]) -> tuple[Measurement, ...]:
    everything = measurements()
    keys = [key for one in everything for key in one.keys]
    for beginning in only:
        if not any(key.startswith(beginning) for key in keys):
            raise ExperimentError(f"--only {beginning}: no such figure{did_you_mean(beginning, keys)}")
    if not only:
        return everything
    return tuple(one for one in everything if any(key.startswith(tuple(only)) for key in one.keys))
