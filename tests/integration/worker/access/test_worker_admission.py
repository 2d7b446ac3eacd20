"""Clients that are slow, many, or fail again and again: they are cut off and hold nobody up."""

import contextlib
import time

import psutil
import pytest

from tests.integration.labs import LabWorker
from tests.integration.waiting import wait_until
from tests.integration.worker.access.clients import KINDS, PORTS, Access, heard, is_served, raw, try_to_open
from worker.access.admission import BURST, MAX_PENDING
from worker.wire.errors import DeniedError, PeerError
from worker.wire.stream import PREAMBLE_BYTES, make_preamble


def test_who_is_slow_is_cut_off_and_holds_nobody_up(worker: LabWorker, access: Access) -> None:
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(raw(worker, port)) for port in PORTS]
        slow = {port: stack.enter_context(raw(worker, port)) for port in PORTS}
        sent = 0
        # Byte by byte the preamble takes 8 s, of which each comes long before a worker is tired of waiting.
        with contextlib.suppress(OSError):
            while sent < PREAMBLE_BYTES:
                for port, connection in slow.items():
                    connection.sendall(make_preamble(KINDS[port], access.method)[sent : sent + 1])
                sent += 1
                if sent == 2:
                    assert is_served(worker, access.good) == 0
                time.sleep(0.5)
        assert sent < PREAMBLE_BYTES
        for connection in (*silent, *slow.values()):
            assert len(heard(connection)) == access.says_bytes
    assert time.monotonic() - began_s > 4
    assert is_served(worker, access.good) == 4
    assert "sent nothing in time" in worker.log.read_text()


def test_too_many_at_once_end_the_oldest_and_leave_nothing(worker: LabWorker, access: Access) -> None:
    process = psutil.Process(worker.process.pid)
    is_served(worker, access.good)
    before = process.num_threads(), process.num_fds()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(raw(worker, "control")) for _ in range(MAX_PENDING + 8)]
        assert len(heard(waiting[0])) == access.says_bytes
        wait_until(lambda: process.num_fds() <= before[1] + MAX_PENDING)
        assert is_served(worker, access.good) >= 8
    wait_until(lambda: process.num_threads() <= before[0] and process.num_fds() <= before[1])


def test_an_address_that_fails_again_and_again_is_refused_for_a_while(
    worker: LabWorker, access: Access
) -> None:
    began_s = time.monotonic()
    attempts = refusals = 0
    while refusals < 3:
        assert attempts < 10 * BURST, "it is never refused"
        with pytest.raises(PeerError) as denied:
            try_to_open(worker, "control", access.wrong)
        attempts += 1
        refusals += "refuses this address for some seconds" in str(denied.value)
    forgiven = 2 * (time.monotonic() - began_s)
    lines = worker.log.read_text().splitlines()
    # The worker may learn of an attempt's end after the client, when the next one has begun.
    assert BURST <= sum("denied: " in line for line in lines) <= BURST + forgiven + 6
    assert sum(f"{BURST} failed attempts" in line for line in lines) == 1
    served = []

    def good_client_is_served() -> bool:
        with contextlib.suppress(DeniedError, PeerError):
            served.append(is_served(worker, access.good))
        return bool(served)

    wait_until(good_client_is_served)
    assert served[0] >= attempts
