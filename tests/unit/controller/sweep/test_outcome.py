"""Ctrl-C during a sweep: the first asks to stop, the second aborts; neither prints within the handler."""

import signal
import threading

import pytest

from controller.sweep.outcome import Interruption

ONES = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@ONES
def test_the_first_signal_asks_to_stop_and_a_thread_announces_it(number: signal.Signals) -> None:
    announced: list[tuple[str, threading.Thread]] = []
    with Interruption(lambda text: announced.append((text, threading.current_thread()))) as interruption:
        signal.raise_signal(number)
        assert interruption.requested
    ((text, thread),) = announced
    assert text == "stopping after this trial; press Ctrl-C again to abort it"
    assert thread is not threading.main_thread()


@ONES
def test_the_second_signal_interrupts_at_once(number: signal.Signals) -> None:
    with Interruption(lambda _: None) as interruption, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(number)
    assert interruption.requested


def test_the_handlers_of_before_come_back_and_no_thread_is_left() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    threads = threading.active_count()
    announced: list[str] = []
    with Interruption(announced.append):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert threading.active_count() == threads
    assert announced == []


def test_a_terminal_that_has_stopped_does_not_hold_the_sweep() -> None:
    """As after Ctrl-S: what is written to it waits."""
    resumed = threading.Event()

    def announce(_text: str) -> None:
        resumed.wait()

    with Interruption(announce) as interruption:
        signal.raise_signal(signal.SIGINT)
    assert interruption.requested
    resumed.set()
