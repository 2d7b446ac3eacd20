"""Waits for what a worker does."""

import time
from collections.abc import Callable

from tests.integration.labs import LabWorker
from worker.wire.messages import Query


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)


def is_idle(worker: LabWorker) -> bool:
    with worker.open() as connection:
        return connection.ask(Query()).holder is None
