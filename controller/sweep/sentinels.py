"""Sentinels: the same work in every block, which shows whether devices and links have changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from controller.errors import DeviceError
from controller.experiment.topology import CONTROLLER, route
from controller.links import probe_round_trips
from controller.results import Block, Cell, Sentinel
from controller.results.provenance import now
from controller.sweep.context import SweepContext
from worker.wire.messages import TimeSentinel

__all__ = ["BlockSentinels"]

_TIMES: Final = 5
_DURATION_S: Final = 0.05
_TIMEOUT_S: Final = 60.0


@dataclass
class BlockSentinels:
    """Times the sentinels of the cells' devices and links in a block, between visits: then the lab is idle.

    Links are timed before the first visit, and devices before up to five visits, evenly spread. A host may be
    some percent slower for seconds; repeats from all of the block say how fast it was while the cells ran.

    A slowed device has no sentinel: the sweep fixes how long most of its stages take. An emulated
    link has none either: its conditions are exact.

    Attributes:
        visits: Those that the block has left.
    """

    sweep: SweepContext
    block: Block
    cells: Sequence[Cell]
    visits: int
    _visit: int = field(default=0, init=False)

    def before_visit(self) -> None:
        """Time what has its turn before the next visit."""
        if self._visit in {turn * self.visits // _TIMES for turn in range(_TIMES)}:
            self._time_devices()
        if self._visit == 0:
            self._time_links()
        self._visit += 1

    def _time_devices(self) -> None:
        workers = self.sweep.pool.workers
        for device in dict.fromkeys(name for cell in self.cells for name in cell.devices):
            if device in workers and workers[device].info.slowdown == 1:
                self._time(device, "")

    def _time_links(self) -> None:
        known = {(s.device, s.receiver) for _, s in self._taken()}
        for sender, receiver in self._links():
            if (sender, receiver) not in known:
                self._time(sender, receiver)

    def _links(self) -> Iterator[tuple[str, str]]:
        """Each pair of devices once, named as in earlier blocks: a round trip takes both ways."""
        stored = self.sweep.recorder.store.rows(Sentinel, network=self.block.network)
        names = {frozenset((s.device, s.receiver)): (s.device, s.receiver) for s in stored if s.receiver}
        pairs: dict[frozenset[str], tuple[str, str]] = {}
        for cell in self.cells:
            if cell.shaping == "emulated":
                continue
            for link in route(cell, self.sweep.resolved.bundles[cell.bundle]):
                if link.sender != link.receiver and CONTROLLER not in (link.sender, link.receiver):
                    ends = frozenset((link.sender, link.receiver))
                    pairs.setdefault(ends, names.get(ends, (link.sender, link.receiver)))
        yield from pairs.values()

    def _time(self, device: str, receiver: str) -> None:
        """Add repeats to those that the block has."""
        sweep, block = self.sweep, self.block
        if not sweep.failures.lost.isdisjoint({device, receiver}):
            return
        workers = sweep.pool.workers
        taken_at = now()
        try:
            if receiver:
                times_s = probe_round_trips(workers[device], workers[receiver])
            else:
                request = TimeSentinel(duration_s=_DURATION_S)
                times_s = workers[device].ask(request, timeout_s=_TIMEOUT_S).times_s
        except DeviceError as error:
            sweep.failures.failed(f"sentinel of {device}: {error}", error)
        else:
            row = Sentinel(block.network, block.number, device, receiver, taken_at, times_s)
            environment = sweep.recorder.environment
            for taken_in, before in self._taken():
                if (before.device, before.receiver) == (device, receiver):
                    environment, row = taken_in, replace(before, times_s=(*before.times_s, *times_s))
            sweep.recorder.add_sentinel(row, environment)

    def _taken(self) -> Iterator[tuple[int, Sentinel]]:
        """Those of the block that hold for its devices as they are now, each with its environment."""
        recorder = self.sweep.recorder
        taken = recorder.store.taken(Sentinel, network=self.block.network, block=self.block.number)
        for environment, sentinel in taken:
            ends = filter(None, (sentinel.device, sentinel.receiver))
            if environment in recorder.environments.alike(*ends):
                yield environment, sentinel
