"""Waits for what other processes do."""

import time
from collections.abc import Callable

from tests.integration.labs import LabWorker
from worker.wire.messages import Query

__all__ = ["is_idle", "wait_until"]


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> float:
    """Wait until something holds; returns the time.

    The limit tells what hangs from what is slow. How long a thing may take is another question
    (`tests.integration.faults.times`).
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.01)
    return time.monotonic()


def is_idle(worker: LabWorker) -> bool:
    """Whether no controller holds it."""
    with worker.open() as connection:
        return connection.ask(Query()).holder is None
