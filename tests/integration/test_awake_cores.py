"""Processes that keep cores awake have the lowest priority, and end with what they are for."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from benchmarks.truth.awake import awake_cores
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the kernel has no idle class")


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def test_each_core_has_a_process_of_the_idle_class_until_the_end() -> None:
    before, cores = children(), sorted(os.sched_getaffinity(0))
    with awake_cores() as idlers:
        own = children() - before
        assert idlers == len(own) == len(cores)
        assert {os.sched_getscheduler(one.pid) for one in own} == {os.SCHED_IDLE}
        assert sorted(core for one in own for core in one.cpu_affinity()) == cores
    assert children() == before


def test_an_error_within_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with pytest.raises(KeyError), awake_cores():
        raise KeyError
    assert children() == before

    popen = subprocess.Popen
    left = iter([popen])

    def once(*words: object, **options: object) -> object:
        if next(left, None) is None:
            raise OSError("no room for a process")
        return popen(*words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(subprocess, "Popen", once)
    with pytest.raises(OSError, match="no room"), awake_cores():
        pass
    assert children() == before


def test_they_end_when_what_they_are_for_is_killed() -> None:
    hold = (
        "from benchmarks.truth.awake import awake_cores\nwith awake_cores(): print('on', flush=True), input()"
    )
    holding = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holding.stdout is not None and holding.stdin is not None
    assert holding.stdout.readline() == "on\n"
    spinning = psutil.Process(holding.pid).children()
    assert spinning
    holding.send_signal(signal.SIGKILL)
    holding.communicate()
    wait_until(lambda: not any(process.is_running() for process in spinning))
