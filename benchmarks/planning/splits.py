"""The splits at which predictions are compared with measurements."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Split", "long_chains", "two_way"]


@dataclass(frozen=True)
class Split:
    """The cuts of the graph, for a chain of devices."""

    devices: tuple[str, ...]
    cuts: tuple[int, ...]


def two_way(devices: Sequence[str], cuts: Sequence[int]) -> list[Split]:
    """Every split of the first two devices, including each device alone."""
    return [Split((devices[0], devices[1]), (cut,)) for cut in cuts]


def long_chains(devices: Sequence[str], cuts: Sequence[int], number: int, seed: int = 0) -> list[Split]:
    """Draw `number` random splits for each length of chain from three up; only the first device is fixed.

    Args:
        devices: The lab's; requests begin on the first.
        cuts: Including both ends of the graph.
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
