"""Which splits predictions are held against."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Split", "long_chains", "two_way"]


@dataclass(frozen=True)
class Split:
    """Where the graph is cut, for which chain of devices."""

    devices: tuple[str, ...]
    cuts: tuple[int, ...]


def two_way(devices: Sequence[str], cuts: Sequence[int]) -> list[Split]:
    """Every split of the first two devices, and each of them alone."""
    return [Split((devices[0], devices[1]), (cut,)) for cut in cuts]


def long_chains(devices: Sequence[str], cuts: Sequence[int], number: int, seed: int = 0) -> list[Split]:
    """So many splits each of three devices, four, and so on: any, in any order after the first.

    Args:
        devices: Of the lab; requests are born on the first.
        cuts: Both ends of the graph among them.
    """
    chance = random.Random(seed)
    inner = sorted(cuts)[1:-1]
    return [
        Split(
            (devices[0], *chance.sample(devices[1:], stages - 1)),
            tuple(sorted(chance.sample(inner, stages - 1))),
        )
        for stages in range(3, min(len(devices), len(inner) + 1) + 1)
        for _ in range(number)
    ]
