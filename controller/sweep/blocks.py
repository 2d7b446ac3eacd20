"""The blocks of a sweep: which one to continue, and what a block visits in which order."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from controller.results import Block, Cell, Store
from controller.results.provenance import now
from controller.sweep.saturation import unloaded
from exporter.bundle import Bundle

__all__ = ["Blocks", "is_end", "unloaded_first"]

_CONTINUED_WITHIN_S: Final = 600.0
"""Later the lab may have changed: what is compared within a block ran within minutes."""

_Visit = TypeVar("_Visit")


@dataclass(frozen=True)
class Blocks:
    """The blocks of a results file, under one network after the other."""

    store: Store
    seed: int

    def begin(self, network: str) -> Block:
        """The unfinished block of a network if it was going on within ten minutes, else a new one."""
        last = self._last(network)
        if last is not None and self._goes_on(last):
            return last
        block = Block(network, 0 if last is None else last.number + 1, now())
        self.store.add(block)
        return block

    def next_number(self, network: str) -> int:
        """The number of the block that `begin` would give."""
        last = self._last(network)
        if last is None:
            return 0
        return last.number if self._goes_on(last) else last.number + 1

    def finish(self, block: Block) -> None:
        """Note that a block has visited all that it had to."""
        self.store.add(replace(block, whole=True))

    def shuffled(self, block: Block, visits: Sequence[_Visit]) -> list[_Visit]:
        """Shuffle visits; their order follows from the seed, the block and the visits."""
        ordered = list(visits)
        random.Random(f"{self.seed}:{block.network}:{block.number}").shuffle(ordered)
        return ordered

    def _last(self, network: str) -> Block | None:
        return max(self.store.rows(Block, network=network), key=lambda block: block.number, default=None)

    def _goes_on(self, block: Block) -> bool:
        if block.whole:
            return False
        last_at = self.store.last_started_at(block.network, block.number) or block.started_at
        since = datetime.fromisoformat(now()) - datetime.fromisoformat(last_at)
        return since.total_seconds() <= _CONTINUED_WITHIN_S


def unloaded_first(visits: Sequence[_Visit], known: Collection[str]) -> list[_Visit]:
    """Swap each cell whose depth is unknown with its split at depth 1, where that comes later.

    From that trial the depth is predicted.

    Args:
        known: Ids of cells whose depth is known.
    """
    ordered = list(visits)
    positions = {visit.id: position for position, visit in enumerate(ordered) if isinstance(visit, Cell)}
    for position, visit in enumerate(visits):
        if isinstance(visit, Cell) and visit.role and visit.id not in known:
            later = positions.get(unloaded(visit).id, 0)
            if later > position:
                ordered[position], ordered[later] = ordered[later], ordered[position]
    return ordered


def is_end(cell: Cell, bundle: Bundle) -> bool:
    """Whether a cell has the whole model on one device of its chain: `stay` or `offload`."""
    return set(cell.cuts) in ({0}, {bundle.node_count})
