"""Neighbours and controllers that go away: the worker says so and lives on."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.integration.waiting import is_idle, wait_until
from tests.integration.worker.chains import Chain
from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import TinyBundle
from worker.wire.errors import PeerError, RequestError, WorkerError
from worker.wire.messages import Run, RunDone

ENDLESS = Run(requests=5_000_000)


def in_background(task: Callable[[], RunDone]) -> "Future[RunDone]":
    future: Future[RunDone] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


@pytest.mark.parametrize("victim", [1, 2])
def test_a_killed_worker_is_named_and_the_others_are_usable_again(
    start_chain: StartChain, start_worker: StartWorker, tiny_bundle: TinyBundle, victim: int
) -> None:
    chain = start_chain(3, tiny_bundle)
    chain.build([1, 2])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.5)

    chain.workers[victim].process.kill()

    with pytest.raises(RequestError, match=rf"worker{victim}|:{chain.workers[victim].data_port}") as caught:
        run.result(60)
    assert caught.value.problem().kind == "peer"
    chain.workers.pop(victim)
    chain.connections.pop(victim).close()
    chain.build([2])
    assert chain.first.ask(Run(requests=12)).checked == 12


@pytest.mark.parametrize("leaver", [0, 1])
def test_a_worker_stopped_in_order_ends_the_run_too(
    start_chain: StartChain, tiny_bundle: TinyBundle, leaver: int
) -> None:
    chain = start_chain(3, tiny_bundle)
    chain.build([1, 2])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.3)

    assert chain.workers[leaver].stop() == 0

    with pytest.raises(WorkerError) as caught:
        run.result(60)
    assert leaver == 0 or caught.value.problem().kind == "peer"
    assert "Traceback" not in chain.workers[leaver].log.read_text()


def test_a_neighbour_lost_while_idle_is_told_with_the_next_run(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1])
    chain.workers[1].process.kill()
    chain.workers[1].process.wait()
    # Both of its links are lost at once, and either may be noticed first.
    with pytest.raises(RequestError, match="link[12]") as caught:
        chain.first.ask(Run(requests=1))
    assert caught.value.problem().kind == "peer"


def test_losing_the_controller_in_mid_run_frees_all_workers(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1])
    run = in_background(lambda: chain.first.ask(ENDLESS))
    time.sleep(0.3)

    for connection in chain.connections:
        connection.interrupt()

    with pytest.raises(PeerError):
        run.result(60)
    for worker in chain.workers:
        wait_until(lambda worker=worker: is_idle(worker))  # type: ignore[misc]
    again = Chain(chain.workers, tiny_bundle)
    again.build([3])
    assert again.first.ask(Run(requests=12)).checked == 12
    again.close()
