"""Cut points, and those that divide a model equally."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from exporter.bundle.modules import ModuleTree
from exporter.bundle.tensors import Tensor
from exporter.errors import RangeError

__all__ = ["CutPoint", "Node", "cut_points_of", "equal_cuts"]


@dataclass(frozen=True)
class Node:
    """A node of the graph: its operator, its module's path and its cost.

    Parameters count at the first node that consumes them, multiply-adds for one sample.
    """

    op: str
    module: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class CutPoint:
    """A position in the topological order: nodes ``[0, index)`` lie before it.

    Attributes:
        clean: exactly one tensor crosses.
        block: clean, and the node before ends a block of the model.
        module: module path of the node before the cut.
        tensors: the tensors that cross.
        bytes_per_sample: their size, for one sample.
        params_before_share: share of the parameters before the cut, 0 to 1.
        macs_before_share: share of the multiply-adds before the cut, 0 to 1.
    """

    index: int
    clean: bool
    block: bool
    module: str
    tensors: tuple[Tensor, ...]
    bytes_per_sample: int
    params_before_share: float
    macs_before_share: float


def cut_points_of(
    nodes: Sequence[Node], crossing: Sequence[tuple[Tensor, ...]], batch: int | None
) -> tuple[CutPoint, ...]:
    """Return the cut points 1 to n-1; `crossing` holds what crosses 0 to n, `batch` a fixed batch."""
    params = list(accumulate((node.parameters for node in nodes), initial=0))
    macs = list(accumulate((node.multiply_adds for node in nodes), initial=0))
    blocks = ModuleTree([node.module for node in nodes]).blocks
    points = []
    for index in range(1, len(nodes)):
        clean = len(crossing[index]) == 1
        points.append(
            CutPoint(
                index=index,
                clean=clean,
                block=clean and blocks[index - 1] != blocks[index],
                module=nodes[index - 1].module,
                tensors=crossing[index],
                bytes_per_sample=sum(tensor.bytes_per_sample for tensor in crossing[index]) // (batch or 1),
                params_before_share=round(params[index] / params[-1], 6) if params[-1] else 0.0,
                macs_before_share=round(macs[index] / macs[-1], 6) if macs[-1] else 0.0,
            )
        )
    return tuple(points)


def equal_cuts(points: Sequence[CutPoint], node_count: int, stages: int) -> tuple[int, ...]:
    """Return the clean cuts nearest to an equal number of nodes per stage, the usual naive split.

    Raises:
        RangeError: fewer than two stages, or more than the clean cuts allow.
    """
    clean = [point.index for point in points if point.clean]
    if not 2 <= stages <= len(clean) + 1:
        raise RangeError(
            f"{stages} stages requested, but {len(clean)} clean cut points allow 2 to {len(clean) + 1}"
        )
    chosen: list[int] = []
    for number in range(1, stages):
        first = clean.index(chosen[-1]) + 1 if chosen else 0
        last = len(clean) - (stages - 1 - number)
        target = node_count * number / stages
        chosen.append(min(clean[first:last], key=lambda index: abs(index - target)))
    return tuple(chosen)
