"""Sweeps of a tiny model, and how far they are."""

import time
from collections.abc import Callable
from pathlib import Path

from controller.results import Results
from tests.integration.commands import Ended

Command = Callable[..., Ended]


def finished(experiment: Path) -> int:
    """How many trials are in the results file beside the experiment."""
    try:
        with Results.open(experiment.parent / "results.sqlite") as results:
            return len(results.finished())
    except Exception:  # the sweep has not made the file yet
        return 0


def wait_for_trials(experiment: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while finished(experiment) < count:
        assert time.monotonic() < deadline, "the sweep makes no progress"
        time.sleep(0.01)
