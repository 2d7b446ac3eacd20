"""Cut points, and the ways to name them: clean, blocks, equal, by index, by module path."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from exporter.bundle.tensors import Tensor
from exporter.errors import RangeError, nearest

__all__ = ["CutPoint", "Node", "block_of", "cut_points_of", "equal_cuts", "label_of", "resolve"]


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


def block_of(module: str) -> str:
    """Return a module path up to its first numeric component, or its first component without one.

    ``features.7.conv.0`` is in ``features.7``, ``layer1.0.conv1`` in ``layer1.0``,
    ``Mixed_5b.branch1x1`` in ``Mixed_5b``.
    """
    parts = module.split(".")
    end = next((i for i, part in enumerate(parts) if part.isdecimal()), 0)
    return ".".join(parts[: end + 1])


def cut_points_of(
    nodes: Sequence[Node], crossing: Sequence[tuple[Tensor, ...]], batch: int | None
) -> tuple[CutPoint, ...]:
    """Return the cut points 1 to n-1; `crossing` holds what crosses 0 to n, `batch` a fixed batch."""
    params = list(accumulate((node.parameters for node in nodes), initial=0))
    macs = list(accumulate((node.multiply_adds for node in nodes), initial=0))
    points = []
    for index in range(1, len(nodes)):
        before, after = nodes[index - 1].module, nodes[index].module
        clean = len(crossing[index]) == 1
        points.append(
            CutPoint(
                index=index,
                clean=clean,
                block=clean and block_of(before) != block_of(after),
                module=before,
                tensors=crossing[index],
                bytes_per_sample=sum(tensor.bytes_per_sample for tensor in crossing[index]) // (batch or 1),
                params_before_share=round(params[index] / params[-1], 6) if params[-1] else 0.0,
                macs_before_share=round(macs[index] / macs[-1], 6) if macs[-1] else 0.0,
            )
        )
    return tuple(points)


def label_of(nodes: Sequence[Node], index: int) -> str:
    """Return a readable name for a cut: the block that it ends, or the module that it falls in."""
    if index == 0:
        return "input"
    if index == len(nodes):
        return "output"
    before, after = nodes[index - 1].module, nodes[index].module
    return block_of(before) if block_of(before) != block_of(after) else before


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


def resolve(nodes: Sequence[Node], module: str) -> int:
    """Return the cut right after the last node of a module.

    Raises:
        RangeError: no node comes from that module; the message suggests the nearest.
    """
    inside = [
        i for i, node in enumerate(nodes) if node.module == module or node.module.startswith(module + ".")
    ]
    if inside and module:
        return inside[-1] + 1
    paths: dict[str, None] = {}
    for node in nodes:
        parts = node.module.split(".")
        paths.update((".".join(parts[: end + 1]), None) for end in range(len(parts)))
    raise RangeError(
        f'no module "{module}" in this model{nearest(module, paths)}; `exporter cuts` lists them'
    )
