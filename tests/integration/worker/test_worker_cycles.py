"""Built and ended, or lost, a hundred times, a worker is soon free and has kept nothing."""

import contextlib
import itertools
import struct
import threading
import time
from collections.abc import Callable

import psutil

from tests.integration.faults.times import took
from tests.integration.labs import LabWorker
from tests.integration.waiting import wait_until
from tests.integration.worker.chains import Chain
from tests.integration.worker.conftest import StartChain
from tests.unit.worker.tiny import TinyBundle, link, tensors
from worker.wire.errors import WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.joining import ask_to_join, open_data_connection
from worker.wire.messages import BuildPipeline, HopSpec, JoinLink, Query, Run

CYCLES = 100
_WARM_UP = 20
_ENDLESS = Run(requests=5_000_000)

_cuts, _depths, _batches = (itertools.cycle(of) for of in ((1, 2, 3), (1, 2, 3, 4), (1, 2)))


def orderly(chain: Chain) -> None:
    chain.build([next(_cuts)], depth=next(_depths), batch=next(_batches))
    chain.first.ask(Run(requests=20, warmup=2))
    chain.close()


def lost_in_mid_run(chain: Chain) -> None:
    chain.build([1], depth=4)
    running = threading.Thread(target=_run_until_lost, args=(chain,))
    running.start()
    time.sleep(0.01)
    for connection in chain.connections:
        connection.interrupt()
    running.join()
    chain.close()


def _run_until_lost(chain: Chain) -> None:
    with contextlib.suppress(WorkerError):
        chain.first.ask(_ENDLESS)


def reset_while_idle(chain: Chain) -> None:
    chain.build([3], depth=1)
    for connection in chain.connections:
        connection._stream.drop()  # type: ignore[attr-defined]


def lost_while_loading(chain: Chain) -> None:
    worker = chain.connections[1]
    asking = threading.Thread(target=_build_until_lost, args=(chain,))
    asking.start()
    time.sleep(0.002)
    worker.interrupt()
    chain.first.interrupt()
    asking.join()
    chain.close()


def _build_until_lost(chain: Chain) -> None:
    with contextlib.suppress(WorkerError):
        chain.build([2])


def neighbour_lost_in_mid_frame(chain: Chain) -> None:
    """A neighbour that we play ourselves: it resets the link in the middle of a frame."""
    worker, connection = chain.workers[1], chain.connections[1]
    links = (link("in", 0, 1, port=worker.data_port), link("out", 1, 1, port=1))
    hop = HopSpec(shard=chain.bundle.ref(0, 1), inlet="in", outlet="out")
    connection.ask(BuildPipeline(name="p", depth=2, links=links, hops=(hop,)))
    stream = open_data_connection("127.0.0.1", worker.data_port)
    ask_to_join(stream, JoinLink(pipeline="p", link="in", sender="us"), "link in")
    prefix = LinkLayout(tensors(0, 1)).new_prefix()
    stream.send([memoryview(prefix), memoryview(struct.pack("<d", 0.0))])
    stream.drop()
    chain.close()


LOSSES: tuple[Callable[[Chain], None], ...] = (
    orderly,
    lost_in_mid_run,
    reset_while_idle,
    lost_while_loading,
    neighbour_lost_in_mid_frame,
)


def test_a_hundred_losses_leave_nothing_behind(start_chain: StartChain, tiny_bundle: TinyBundle) -> None:
    first = start_chain(2, tiny_bundle)
    first.close()
    workers = first.workers
    idle_s: dict[str, list[float]] = {loss.__name__: [] for loss in LOSSES}
    before: list[tuple[int, int, int]] = []
    for cycle in range(_WARM_UP + CYCLES):
        _wait_idle(workers)
        if cycle == _WARM_UP:
            before = _settled(workers)
        loss = LOSSES[cycle % len(LOSSES)]
        loss(Chain(workers, tiny_bundle))
        lost_at_s = time.monotonic()
        idle_s[loss.__name__].append(_wait_idle(workers) - lost_at_s)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: _has_no_more_than(before, workers), timeout_s=30)
    for now, then in zip(_taken(workers), before, strict=True):
        assert now[0] <= then[0], f"{now[0] - then[0]} threads were left"
        assert now[1] <= then[1], f"{now[1] - then[1]} sockets or files were left"
        assert now[2] <= 1.1 * then[2], f"grew from {then[2]} to {now[2]} bytes"
    for name, seconds in idle_s.items():
        # What docs/reliability.md promises is five.
        took(name.replace("_", " "), "worker idle, longest", max(seconds), at_most_s=5.0)


def _wait_idle(workers: list[LabWorker]) -> float:
    deadline_s = time.monotonic() + 20
    for worker in workers:
        with worker.open() as connection:
            while connection.ask(Query()).holder is not None:
                assert time.monotonic() < deadline_s, f"{worker.name} stays held"
                time.sleep(0.005)
    return time.monotonic()


def _settled(workers: list[LabWorker]) -> list[tuple[int, int, int]]:
    """Threads, descriptors and resident bytes, once threads of connections that ended are gone."""
    deadline_s = time.monotonic() + 10
    last = _taken(workers)
    while time.monotonic() < deadline_s:
        time.sleep(0.3)
        now = _taken(workers)
        if [one[:2] for one in now] == [one[:2] for one in last]:
            return now
        last = now
    return last


def _has_no_more_than(before: list[tuple[int, int, int]], workers: list[LabWorker]) -> bool:
    """Whether no thread, socket or file was left."""
    both = zip(_taken(workers), before, strict=True)
    return all(now[0] <= then[0] and now[1] <= then[1] for now, then in both)


def _taken(workers: list[LabWorker]) -> list[tuple[int, int, int]]:
    processes = [psutil.Process(worker.process.pid) for worker in workers]
    return [(one.num_threads(), one.num_fds(), one.memory_info().rss) for one in processes]
