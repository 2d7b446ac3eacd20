"""The naive split of the literature, to be compared with: equally many layers a device."""

from collections.abc import Mapping
from typing import Any

__all__ = ["equal_cuts"]


def equal_cuts(manifest: Mapping[str, Any], stages: int) -> tuple[int, ...]:
    """The clean cuts nearest to an equal number of nodes a stage, as `exporter cuts` has them.

    Empty where the graph has too few clean cuts for so many stages, or for one stage.
    """
    clean = sorted(int(point["index"]) for point in manifest["cut_points"] if point["clean"])
    if not 2 <= stages <= len(clean) + 1:
        return ()
    chosen: list[int] = []
    for number in range(1, stages):
        first = clean.index(chosen[-1]) + 1 if chosen else 0
        last = len(clean) - (stages - 1 - number)
        target = int(manifest["node_count"]) * number / stages
        chosen.append(min(clean[first:last], key=lambda index: abs(index - target)))
    return tuple(chosen)
