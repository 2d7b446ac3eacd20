"""Which baselines a front's figure has room for."""

from collections.abc import Sequence

from analysis.data.sweep import Baseline
from analysis.fronts.fronts import Point

__all__ = ["divided"]

_ROOM = 2.0


def divided(points: Sequence[Point], baselines: Sequence[Baseline]) -> tuple[list[Baseline], list[Baseline]]:
    """Baselines to draw, and those so far off that drawing them would squeeze the front into a corner.

    A device that is many times faster, and that no input is born on, says little about the front beside it.
    """
    known = [(p.latency.value, p.throughput.value) for p in points if p.latency.value and p.throughput.value]
    if not known:
        return [], list(baselines)
    near: list[Baseline] = []
    far: list[Baseline] = []
    for b in baselines:
        figures = (b.latency.value, b.throughput.value)
        fits = all(
            value is not None
            and min(k[i] for k in known) / _ROOM <= value <= max(k[i] for k in known) * _ROOM
            for i, value in enumerate(figures)
        )
        (near if fits else far).append(b)
    return near, far
