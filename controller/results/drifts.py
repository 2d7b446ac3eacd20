"""Sentinels over the blocks of a sweep, and what their changes say of devices and links."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from controller.results.rows import Sentinel
from controller.statistics.drift import Change, changes_of

__all__ = ["Drifted", "drift_variances", "drifts"]

_LASTING = 3.0
"""Half of a drift may still be there in the next block: a mean over blocks is then as uncertain as from three
times the variance that the blocks show."""


@dataclass(frozen=True)
class Drifted:
    """A sentinel in one block, and its change against the network's first block."""

    sentinel: Sentinel
    change: Change

    @property
    def what(self) -> str:
        """The device, or the link as in `pi -> server`."""
        return " -> ".join(filter(None, (self.sentinel.device, self.sentinel.receiver)))


def drifts(sentinels: Iterable[Sentinel]) -> list[Drifted]:
    """Every sentinel of every block, in the order of networks, devices and links, and blocks."""
    series: dict[tuple[str, str, str], list[Sentinel]] = {}
    for sentinel in sorted(sentinels, key=lambda s: s.block):
        key = (sentinel.network, sentinel.device, sentinel.receiver)
        series.setdefault(key, []).append(sentinel)
    return [
        Drifted(sentinel, change)
        for blocks in series.values()
        for sentinel, change in zip(blocks, changes_of([s.times_s for s in blocks]), strict=True)
    ]


def drift_variances(sentinels: Iterable[Sentinel], network: str) -> dict[tuple[str, ...], float]:
    """How much the speed of what drifted differs between blocks, for what was flagged under a network.

    Returns:
        By the name of a device, or both directions of a link (`pi -> server`, `server -> pi`): variance of
        the logarithm, in a mean over blocks, times blocks.
    """
    changes: dict[tuple[str, ...], list[Change]] = {}
    for drifted in drifts(sentinel for sentinel in sentinels if sentinel.network == network):
        device, receiver = drifted.sentinel.device, drifted.sentinel.receiver
        names = (f"{device} -> {receiver}", f"{receiver} -> {device}") if receiver else (device,)
        changes.setdefault(names, []).append(drifted.change)
    return {
        names: _LASTING * float(np.var(np.log1p([change.value for change in each]), ddof=1))
        for names, each in changes.items()
        if any(change.flagged for change in each)
    }
