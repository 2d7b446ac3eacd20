"""Sentinels over the blocks of a sweep, and what their changes say of devices and links.

A device with another kernel or governor is another machine: its sentinels of before and after such a change
are not compared, since that is no drift.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.results.found import FoundDevices
from controller.results.rows import Sentinel
from controller.statistics.drift import Change, changes_of

__all__ = ["Drifted", "drift_variances", "drifts"]

_LASTING = 3.0
"""Half of a drift may still be there in the next block: a mean over blocks is then as uncertain as from three
times the variance that the blocks show."""


@dataclass(frozen=True)
class Drifted:
    """A sentinel in one block, and its change against the network's first one with its devices as they were.

    Attributes:
        since: Number of the first environment that found its devices so.
    """

    sentinel: Sentinel
    change: Change
    since: int

    @property
    def what(self) -> str:
        """The device, or the link as in `pi -> server`."""
        return " -> ".join(filter(None, (self.sentinel.device, self.sentinel.receiver)))


def drifts(taken: Iterable[tuple[int, Sentinel]], found: FoundDevices) -> list[Drifted]:
    """Every sentinel of every block, in the order of networks, devices and links, and blocks.

    Args:
        taken: Sentinels, each with the number of its environment.
        found: The devices of these environments.
    """
    series: dict[tuple[str, str, str, int], list[Sentinel]] = {}
    for environment, sentinel in sorted(taken, key=lambda each: each[1].block):
        ends = [name for name in (sentinel.device, sentinel.receiver) if name]
        since = min(found.alike(environment, ends))
        key = (sentinel.network, sentinel.device, sentinel.receiver, since)
        series.setdefault(key, []).append(sentinel)
    return [
        Drifted(sentinel, change, since)
        for (*_, since), blocks in series.items()
        for sentinel, change in zip(blocks, changes_of([s.times_s for s in blocks]), strict=True)
    ]


def drift_variances(
    taken: Iterable[tuple[int, Sentinel]], found: FoundDevices, network: str
) -> dict[tuple[str, ...], float]:
    """How much the speed of what drifted differs between blocks, for what was flagged under a network.

    Args:
        taken, found: As for `drifts`.

    Returns:
        By the name of a device, or both directions of a link (`pi -> server`, `server -> pi`): variance of
        the logarithm, in a mean over blocks, times blocks.
    """
    changes: dict[tuple[str, ...], dict[int, list[Change]]] = {}
    for drifted in drifts((each for each in taken if each[1].network == network), found):
        device, receiver = drifted.sentinel.device, drifted.sentinel.receiver
        names = (f"{device} -> {receiver}", f"{receiver} -> {device}") if receiver else (device,)
        changes.setdefault(names, {}).setdefault(drifted.since, []).append(drifted.change)
    return {
        names: _LASTING * _variance([np.log1p([c.value for c in each]) for each in parts.values()])
        for names, parts in changes.items()
        if any(change.flagged for each in parts.values() for change in each)
    }


def _variance(parts: Sequence[NDArray[np.float64]]) -> float:
    """Within parts, each about its own mean; some part has at least two values."""
    squares = sum(float(np.sum((part - part.mean()) ** 2)) for part in parts)
    return squares / sum(len(part) - 1 for part in parts)
