"""`python -m benchmarks bench-demo`: how long one waits for the demo's first answer, and for its report."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, all_hold, summarize
from benchmarks.report import Report, machine_stamp, print_figures, save_report
from controller.errors import ControllerError
from controller.results.provenance import now
from worker.terminal import say, show

__all__ = ["FIGURES", "bench_demo"]

FIGURES: Final = (
    Figure("trained_s", "seconds that training the model takes", at_most=40),
    Figure("first_answer_s", "seconds from the start to the answer for wifi", at_most=120),
    Figure("report_s", "seconds from the start to the report on all networks", at_most=360),
)

_TRAINED: Final = re.compile(r"epoch (\d+)/\1 .* (\d+) s$")
_ANSWERED: Final = "wifi: the answer"


def bench_demo(out: Path) -> bool:
    """Run the demo from nothing in a folder of its own, print a table and write the results file.

    Args:
        out: Results file.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: The demo failed, or the file cannot be written.
    """
    load = os.getloadavg()[0]
    values: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="edgecut-demo-") as folder:
        command = [sys.executable, "-m", "edgecut", "demo", "--results", folder]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
            try:
                for line in demo.stdout or ():
                    say(line.rstrip())
                    if trained := _TRAINED.match(line.rstrip()):
                        values["trained_s"] = [float(trained[2])]
                    elif line.startswith("== ") and line.rstrip().endswith(_ANSWERED):
                        values["first_answer_s"] = [time.perf_counter() - began]
            finally:
                # After Ctrl-C it still removes its lab, whose files are in the folder.
                demo.wait()
        values["report_s"] = [time.perf_counter() - began]
    if demo.returncode:
        raise ControllerError(f"the demo ended with exit code {demo.returncode}")
    summaries = summarize(values)
    save_report(Report(summaries, machine_stamp("bench-demo", load), now()), out)
    print_figures(FIGURES, summaries)
    show(str(out))
    return all_hold(FIGURES, summaries)
