"""A pool that gets its workers back, and does not take one whose link has changed meanwhile."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.lab.inventory import Device, Lab
from controller.lab.worker_pool import WorkerPool
from tests.integration.labs import LabWorker, running_workers


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabWorker]:
    """A worker that watches an interface of which `tmp_path/told.json` tells."""
    program = tmp_path / "bin" / "tc"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/told.json\n")
    program.chmod(0o755)
    (tmp_path / "told.json").write_text('[{"kind":"netem"}]')
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with running_workers(tmp_path, ["pi"], "--qdisc-of", "eth7") as workers:
        yield workers["pi"]


def test_a_worker_whose_link_changed_is_given_up(worker: LabWorker, tmp_path: Path) -> None:
    device = Device(
        name="pi",
        kind="virtual",
        host="127.0.0.1",
        control_port=worker.control_port,
        data_port=worker.data_port,
        shaping="tc",
    )
    with WorkerPool(Lab(name="test", devices=(device,)), ["pi"], 5.0) as pool:
        assert pool.recover() == []
        (tmp_path / "told.json").write_text('[{"kind":"pfifo_fast"}]')
        (lost,) = pool.recover()
        assert str(lost).startswith("pi: its link has changed")
        assert not pool.workers
