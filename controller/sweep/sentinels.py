"""Sentinels: the same work in every block, which shows whether devices and links have changed."""

from collections.abc import Iterable, Iterator
from typing import Final

from controller.errors import DeviceError
from controller.experiment.topology import CONTROLLER, route
from controller.links import probe_round_trips
from controller.results import Block, Cell, Sentinel
from controller.results.provenance import now
from controller.sweep.context import SweepContext
from worker.wire.messages import TimeSentinel

__all__ = ["take_sentinels"]

_REPEATS: Final = 21
_TIMEOUT_S: Final = 60.0


def take_sentinels(sweep: SweepContext, block: Block, cells: Iterable[Cell]) -> None:
    """Time the devices of these cells, and the round trips between them, once in a block.

    A slowed device has no sentinel: its stages take the time that was fixed when the sweep began. An emulated
    link has none either: its conditions are exact.
    """
    cells = list(cells)
    have = {
        (s.device, s.receiver)
        for s in sweep.recorder.store.rows(Sentinel, network=block.network)
        if s.block == block.number
    }
    for device in dict.fromkeys(name for cell in cells for name in cell.devices):
        worker = sweep.pool.workers.get(device)
        if worker is None or (device, "") in have or worker.info.slowdown != 1:
            continue
        _take(sweep, block, device, "")
    for sender, receiver in _links(sweep, cells):
        if (sender, receiver) not in have:
            _take(sweep, block, sender, receiver)


def _links(sweep: SweepContext, cells: Iterable[Cell]) -> Iterator[tuple[str, str]]:
    """Each pair of devices once, whichever of them sends first: a round trip takes both ways."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for cell in cells:
        if cell.shaping == "emulated":
            continue
        for link in route(cell, sweep.resolved.bundles[cell.bundle]):
            if link.sender != link.receiver and CONTROLLER not in (link.sender, link.receiver):
                pairs.setdefault(frozenset((link.sender, link.receiver)), (link.sender, link.receiver))
    yield from pairs.values()


def _take(sweep: SweepContext, block: Block, device: str, receiver: str) -> None:
    if not sweep.failures.lost.isdisjoint({device, receiver}):
        return
    workers = sweep.pool.workers
    try:
        if receiver:
            times_s = probe_round_trips(workers[device], workers[receiver])
        else:
            times_s = workers[device].ask(TimeSentinel(repeats=_REPEATS), timeout_s=_TIMEOUT_S).times_s
    except DeviceError as error:
        sweep.failures.failed(f"sentinel of {device}: {error}", error)
    else:
        row = Sentinel(block.network, block.number, device, receiver, now(), times_s)
        sweep.recorder.add_sentinel(row)
