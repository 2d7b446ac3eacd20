"""How a front varies from block to block: what some, half and all blocks attained.

Each block of a sweep has a front of its own. A pair of latency and throughput is attained by a block if some
split was at least as good in both, and the share of blocks that attained it is the empirical attainment
function (V. Grunert da Fonseca, C. M. Fonseca, A. O. Hall, "Inferential performance assessment of
stochastic optimisers and the attainment function", EMO 2001; computed as in C. M. Fonseca et al., "On the
computation of the empirical attainment function", EMO 2011).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import moocore
import numpy as np

from analysis.statistics.estimates import Estimate

__all__ = ["Level", "Surface", "surfaces"]

Level = Literal["any", "half", "every"]


@dataclass(frozen=True)
class Surface:
    """The best pairs that so many blocks attained: latency rising, throughput rising with it."""

    level: Level
    steps: tuple[tuple[float, float], ...]


def surfaces(figures: Sequence[tuple[Estimate, Estimate]]) -> tuple[Surface, ...]:
    """The surfaces attained by any, by at least half and by every block; none with fewer than two.

    Only blocks that visited all candidates count, since a front that lacks some of them is another front.

    Args:
        figures: Latency and throughput of each candidate; those with a null are left out.
    """
    known = [
        tuple(dict(zip(figure.blocks, figure.values, strict=True)) for figure in pair)
        for pair in figures
        if pair[0].value and pair[1].value
    ]
    if not known:
        return ()
    blocks = sorted(set.intersection(*(set(figure) for pair in known for figure in pair)))
    if len(blocks) < 2:
        return ()
    points = np.array([(latency[block], -rate[block]) for block in blocks for latency, rate in known])
    sets = np.repeat(np.arange(len(blocks)), len(known))
    attained = moocore.eaf(points, sets, percentiles=[100 / len(blocks), 50, 100])
    levels: tuple[tuple[Level, float], ...] = (("any", 100 / len(blocks)), ("half", 50.0), ("every", 100.0))
    return tuple(Surface(level, _steps(attained, share)) for level, share in levels)


def _steps(attained: np.ndarray, share: float) -> tuple[tuple[float, float], ...]:
    rows = attained[np.isclose(attained[:, 2], share)]
    return tuple(sorted({(float(x), float(-y)) for x, y, _ in rows}))
