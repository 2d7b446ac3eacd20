"""A pipeline ends once, for one reason."""

import threading

import pytest

from worker.links.cancel_scope import CancelScope
from worker.wire.errors import FailedError, PeerError, WorkerError


def test_the_first_cause_is_kept_and_everything_stops_once() -> None:
    scope = CancelScope()
    told: list[WorkerError | None] = []
    scope.at_end(told.append)
    causes = [PeerError(f"cause {index}") for index in range(20)]
    threads = [threading.Thread(target=scope.fail, args=(cause,)) for cause in causes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    with pytest.raises(PeerError) as caught:
        scope.check()
    assert caught.value is told[0]


def test_our_own_end_is_no_failure() -> None:
    scope = CancelScope()
    told: list[WorkerError | None] = []
    scope.at_end(told.append)
    scope.end()
    scope.fail(PeerError("too late"))
    scope.check()
    assert told == [None]


def test_a_neighbour_that_left_is_no_failure_until_somebody_wants_to_run() -> None:
    scope = CancelScope()
    told: list[WorkerError | None] = []
    scope.at_end(told.append)
    scope.leave(PeerError("link l was closed"))
    assert told == [None]
    with pytest.raises(PeerError, match="link l was closed"):
        scope.check()


def test_our_own_mistakes_are_told_by_name() -> None:
    scope = CancelScope()
    scope.fail(ZeroDivisionError("division by zero"))
    with pytest.raises(FailedError, match="ZeroDivisionError: division by zero"):
        scope.check()
