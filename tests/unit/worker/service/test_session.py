"""A session handles every request that a worker does not answer without one."""

from pathlib import Path

from worker.__main__ import _parse, _settings
from worker.host.qdisc import QdiscWatch
from worker.host.telemetry import TelemetryThread
from worker.probe import ProbeReceiver
from worker.service.session import Session
from worker.store import Store
from worker.wire.messages import REQUESTS, Claim, Query


def test_every_request_has_a_handler(tmp_path: Path) -> None:
    settings = _settings(_parse(["serve", "--name=pi", f"--store={tmp_path}"]))
    session = Session(
        Store(tmp_path),
        TelemetryThread(0.5, tmp_path),
        ProbeReceiver("127.0.0.1", 0),
        QdiscWatch(None),
        settings,
        abandoned=lambda: False,
    )
    assert {*session._handlers, Query, Claim} == set(REQUESTS)
