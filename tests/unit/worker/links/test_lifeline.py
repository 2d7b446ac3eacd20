"""A pipeline ends once, for one reason."""

import threading

import pytest

from worker.links.lifeline import Lifeline
from worker.wire.errors import FailedError, PeerError, WorkerError


def test_the_first_cause_is_kept_and_everything_stops_once() -> None:
    lifeline = Lifeline()
    told: list[WorkerError | None] = []
    lifeline.at_end(told.append)
    causes = [PeerError(f"cause {index}") for index in range(20)]
    threads = [threading.Thread(target=lifeline.fail, args=(cause,)) for cause in causes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    with pytest.raises(PeerError) as caught:
        lifeline.check()
    assert caught.value is told[0]


def test_our_own_end_is_no_failure() -> None:
    lifeline = Lifeline()
    told: list[WorkerError | None] = []
    lifeline.at_end(told.append)
    lifeline.end()
    lifeline.fail(PeerError("too late"))
    lifeline.check()
    assert told == [None]


def test_a_neighbour_that_left_is_no_failure_until_somebody_wants_to_run() -> None:
    lifeline = Lifeline()
    told: list[WorkerError | None] = []
    lifeline.at_end(told.append)
    lifeline.leave(PeerError("link l was closed"))
    assert told == [None]
    with pytest.raises(PeerError, match="link l was closed"):
        lifeline.check()


def test_our_own_mistakes_are_told_by_name() -> None:
    lifeline = Lifeline()
    lifeline.fail(ZeroDivisionError("division by zero"))
    with pytest.raises(FailedError, match="ZeroDivisionError: division by zero"):
        lifeline.check()
