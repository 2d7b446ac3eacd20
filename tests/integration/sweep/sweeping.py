"""Sweeps of a tiny model, and how far they are."""

from collections.abc import Callable
from pathlib import Path

from controller.results import Results
from tests.integration.commands import Ended
from tests.integration.waiting import wait_until

Command = Callable[..., Ended]


def finished(experiment: Path) -> int:
    """How many trials are in the results file beside the experiment."""
    try:
        with Results.open(experiment.parent / "results.sqlite") as results:
            return len(results.finished())
    except Exception:  # the sweep has not made the file yet
        return 0


def wait_for_trials(experiment: Path, count: int) -> None:
    wait_until(lambda: finished(experiment) >= count)
