"""The heartbeat's file is there, and renewed, only while a controller is."""

import os
import time
from pathlib import Path

import pytest

from worker.service import heartbeat
from worker.service.heartbeat import Heartbeat
from worker.wire.errors import UsageError


def test_it_beats_from_begin_to_end_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_INTERVAL_S", 0.01)
    file = tmp_path / "beat"
    heart = Heartbeat(file)
    assert not file.exists()
    for _ in range(2):
        heart.begin()
        os.utime(file, (1.0, 1.0))
        deadline_s = time.monotonic() + 5
        while file.stat().st_mtime < 2:
            assert time.monotonic() < deadline_s, "it does not beat"
            time.sleep(0.005)
        heart.end()
        assert not file.exists()
    heart.end()


def test_what_a_killed_worker_left_behind_goes(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    file.touch()
    Heartbeat(file)
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--heartbeat .*/none/beat cannot be written"):
        Heartbeat(tmp_path / "none" / "beat")


def test_without_a_file_it_does_nothing() -> None:
    heart = Heartbeat(None)
    heart.begin()
    heart.end()
