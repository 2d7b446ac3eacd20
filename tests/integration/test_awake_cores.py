"""Processes that keep cores awake run only where nothing else does, and end with what they are for."""

import os

import psutil
import pytest

from benchmarks.truth.awake import awake_cores
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the kernel has no idle class")


def spinning() -> list[psutil.Process]:
    return psutil.Process().children()


def test_each_core_has_a_process_of_the_idle_class_until_the_end() -> None:
    before, cores = spinning(), sorted(os.sched_getaffinity(0))
    with awake_cores() as idlers:
        own = [process for process in spinning() if process not in before]
        assert idlers == len(own) == len(cores)
        wait_until(lambda: all(os.sched_getscheduler(one.pid) == os.SCHED_IDLE for one in own))
        assert sorted(core for one in own for core in one.cpu_affinity()) == cores
    assert [process for process in spinning() if process not in before] == []
