"""What makes a machine a busy one, and what does not."""

import os
from types import SimpleNamespace

import psutil
import pytest

from benchmarks.truth import witness
from benchmarks.truth.witness import Witness


def seen(monkeypatch: pytest.MonkeyPatch, *, idlers: int, runnable: int, **spent: float) -> Witness:
    """A witness of two cores with so many runnable threads, and seconds spent since it began."""
    times = iter([{}, spent])
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(witness, "_runnable", lambda: runnable)
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(**next(times)))
    with Witness(idlers) as seen:
        pass
    return seen


def test_what_keeps_cores_awake_makes_no_thread_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(monkeypatch, idlers=2, runnable=4).waiting == 0
    assert seen(monkeypatch, idlers=0, runnable=4).waiting == 1


def test_time_stolen_from_what_keeps_cores_awake_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = seen(monkeypatch, idlers=2, runnable=2, user=0.0, system=0.0, nice=9.0, steal=3.0)
    half = seen(monkeypatch, idlers=2, runnable=2, user=4.0, system=1.0, nice=5.0, steal=3.0)
    whole = seen(monkeypatch, idlers=2, runnable=2, user=9.0, system=1.0, nice=0.0, steal=3.0)
    assert idle.stolen == 0
    assert 0 < half.stolen < whole.stolen
