"""Probes between real workers, and what a worker does while it is held."""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.waiting import wait_until
from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import TinyBundle
from worker.wire.control import ControlConnection
from worker.wire.errors import RequestError
from worker.wire.messages import (
    ClosePipeline,
    ExpectProbe,
    ProbeRoundTrips,
    ProbeThroughput,
    ProbeTrain,
    Query,
    Run,
    TakeRecords,
    TakeTrain,
)

Pair = tuple[ControlConnection, ControlConnection, int]

PROBE = secrets.token_hex(16)


def round_trips(port: int, probe: str = PROBE) -> ProbeRoundTrips:
    return ProbeRoundTrips(
        probe=probe, host="127.0.0.1", port=port, round_trips=12, at_least=11, duration_s=5.0, warmup=2
    )


def train(port: int, datagrams: int = 50) -> ProbeTrain:
    return ProbeTrain(
        probe=PROBE,
        host="127.0.0.1",
        port=port,
        train=1,
        datagrams=datagrams,
        datagram_bytes=200,
        frame_bytes=242,
        rate_mbit=5.0,
    )


@pytest.fixture
def pair(start_worker: StartWorker) -> Iterator[Pair]:
    """Two claimed workers, the second of them expecting the probe, and its data port."""
    sender, receiver = start_worker("pi"), start_worker("server")
    with sender.claim() as here, receiver.claim() as there:
        there.ask(ExpectProbe(probe=PROBE))
        yield here, there, receiver.data_port


def test_every_probe_comes_through(pair: Pair) -> None:
    sender, receiver, port = pair
    times_s = sender.ask(round_trips(port)).round_trips_s
    assert len(times_s) == 12
    assert all(seconds > 0 for seconds in times_s)

    sent = sender.ask(train(port))
    received = receiver.ask(TakeTrain(probe=PROBE, train=1, datagrams=50, settle_s=5.0))
    assert sent.datagrams == 50
    assert received.datagrams + received.overflowed == 50
    assert received.elapsed_s > 0.5 * sent.elapsed_s

    seen = sender.ask(ProbeThroughput(probe=PROBE, host="127.0.0.1", port=port, duration_s=0.2), timeout_s=30)
    assert seen.received_bytes > 100_000
    assert seen.elapsed_s >= 0.2


def test_a_train_of_which_nothing_came_counts_nothing(
    pair: Pair,
) -> None:
    _, receiver, _ = pair
    received = receiver.ask(TakeTrain(probe=PROBE, train=9, datagrams=5, settle_s=0.1))
    assert (received.datagrams, received.overflowed) == (0, 0)


def test_a_probe_that_is_not_expected_is_refused(
    pair: Pair,
) -> None:
    sender, receiver, port = pair
    with pytest.raises(RequestError, match="refuses a probe: .* not expected"):
        sender.ask(round_trips(port, probe="0" * 32))

    receiver.ask(ExpectProbe(probe=None))
    for request in (round_trips(port), train(port)):
        with pytest.raises(RequestError):
            sender.ask(request)
    with pytest.raises(RequestError, match="not expected here"):
        receiver.ask(TakeTrain(probe=PROBE, train=1, datagrams=1, settle_s=1.0))


def test_the_udp_port_is_open_only_while_a_probe_is_expected(
    pair: Pair,
) -> None:
    _, receiver, port = pair
    assert not _is_free(port)
    receiver.ask(ExpectProbe(probe=None))
    assert _is_free(port)
    receiver.ask(ExpectProbe(probe=PROBE))
    receiver.close()
    # Nor does a controller that went leave it open.
    wait_until(lambda: _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying:
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_a_taken_udp_port_is_named(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, worker.claim() as connection:
        taken.bind(("127.0.0.1", worker.data_port))
        with pytest.raises(RequestError, match=f"UDP port {worker.data_port} of 127.0.0.1 .*in use"):
            connection.ask(ExpectProbe(probe=PROBE))
        connection.ask(Query())


def test_probes_need_a_claim(start_worker: StartWorker) -> None:
    with start_worker("pi").open() as connection, pytest.raises(RequestError, match="needs a claim"):
        connection.ask(ExpectProbe(probe=PROBE))


def test_strange_datagrams_are_passed_over(pair: Pair) -> None:
    sender, receiver, port = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (b"", b"ECPT", os.urandom(1000), b"ECPT" + bytes(200)):
            stranger.sendto(data, ("127.0.0.1", port))
    sender.ask(train(port, 5))
    received = receiver.ask(TakeTrain(probe=PROBE, train=1, datagrams=5, settle_s=5.0))
    assert received.datagrams == 5


def test_the_heartbeat_is_there_while_a_controller_is(start_worker: StartWorker, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    worker = start_worker("pi", "--heartbeat", str(beat))
    with worker.open() as connection:
        connection.ask(Query())
        assert not beat.exists()
    with worker.claim():
        assert beat.exists()
    wait_until(lambda: not beat.exists())


def test_a_link_that_changes_voids_the_run_on_every_device(
    start_chain: StartChain, tiny_bundle: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, program = tmp_path / "told.json", tmp_path / "bin" / "tc"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {told}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    told.write_text('[{"kind":"netem"}]')
    chain = start_chain(2, tiny_bundle, "--qdisc-of", "eth7")
    with chain.workers[0].open() as connection:
        assert connection.ask(Query()).stamp["qdisc"] == '[{"kind":"netem"}]'
    chain.build([2])
    chain.first.ask(Run(requests=3))
    for connection in chain.connections:
        connection.ask(TakeRecords())

    told.write_text('[{"kind":"pfifo_fast"}]')
    with pytest.raises(RequestError, match="changed during the trial: interface eth7 had netem") as caught:
        chain.first.ask(Run(requests=3))
    assert caught.value.problem().kind == "failed"
    with pytest.raises(RequestError, match="changed during the trial"):
        chain.connections[1].ask(TakeRecords())
    chain.first.ask(ClosePipeline())


def test_an_interface_that_is_not_there_stops_the_worker(tmp_path: Path) -> None:
    from tests.integration.worker.test_worker_cli import worker  # noqa: PLC0415

    done = worker("serve", "--name", "x", "--store", tmp_path / "x", "--qdisc-of", "nope7")
    assert done.returncode == 2
    assert done.stderr.startswith("error: tc cannot read the link of nope7")
    assert done.stderr.count("\n") == 1
