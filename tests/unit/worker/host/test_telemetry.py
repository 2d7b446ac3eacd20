"""Telemetry: one look at least between any two questions, and counters that can be subtracted."""

import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from worker.host.telemetry import TelemetryThread


def test_even_a_short_while_has_a_sample_of_its_end(tmp_path: Path) -> None:
    telemetry = TelemetryThread(3600.0, tmp_path)
    (before,) = telemetry.take()
    (after,) = telemetry.take()
    assert after.at_s > before.at_s
    assert after.received_bytes >= before.received_bytes
    assert after.process_rss_bytes > 0
    assert 0 <= after.host_cpu_percent <= 100


def test_the_thread_looks_at_its_interval(tmp_path: Path) -> None:
    telemetry = TelemetryThread(0.02, tmp_path)
    telemetry.begin()
    seen = len(telemetry.take())
    while seen < 5:
        seen += len(telemetry.take()) - 1
    telemetry.close()
    assert len(telemetry.take()) >= 1


_SPIN = """
import resource, sys, time
def used_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
print("ready", flush=True)
sys.stdin.readline()
began_s, end_s = used_s(), time.monotonic() + 1.0
while time.monotonic() < end_s:
    until_s = time.process_time() + 0.015
    while time.process_time() < until_s:
        pass
    time.sleep(0.035)
print(used_s() - began_s, flush=True)
sys.stdin.read()
"""
"""Computes three tenths of the time, and prints for how long it has computed."""


@pytest.mark.processes
def test_shares_times_the_time_since_the_sample_before_are_what_the_processes_used(tmp_path: Path) -> None:
    telemetry = TelemetryThread(0.05, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        telemetry.count_too(child.pid)
        before, (first,) = _own_cpu_s(), telemetry.take()
        child.stdin.write("\n")
        child.stdin.flush()
        telemetry.begin()
        until_s = time.process_time() + 0.2
        while time.process_time() < until_s:
            pass
        child_s = float(child.stdout.readline())
        samples = telemetry.take()
        used_s = child_s + _own_cpu_s() - before
        telemetry.close()
        child.communicate("")
    assert len(samples) > 3
    spent_s = [
        later.process_cpu_percent / 100 * (later.at_s - earlier.at_s)
        for earlier, later in pairwise([first, *samples])
    ]
    # The child's time is known in steps of 10 ms.
    assert sum(spent_s) == pytest.approx(used_s, abs=0.1)
    assert sum(spent_s) > 0.25, "the child's share is in it"


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
