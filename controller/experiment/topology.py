"""The way from stage to stage: the links of a cell, by its topology, source and codecs."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from controller.experiment.codec_assignment import codec_of_link
from controller.results import HUB, Cell, Link
from exporter.bundle import Bundle, Tensor
from worker.wire.messages import TensorSpec

__all__ = [
    "CONTROLLER",
    "endpoint_of",
    "goes_through_controller",
    "legs_of",
    "partitions_of",
    "payload_bytes",
    "route",
    "stage_links",
    "tensor_specs",
]

CONTROLLER = "controller"


def goes_through_controller(cell: Cell) -> bool:
    """Whether requests of a cell come through the controller's process, as a source or a hub."""
    return cell.source == CONTROLLER or cell.topology == HUB


def route(cell: Cell, bundle: Bundle) -> tuple[Link, ...]:
    """The links of a cell, from the endpoint through its stages and back, with what crosses them.

    In a hub, what goes from a device to another one takes two: to the controller, and on from there.
    """
    return tuple(itertools.chain(*(legs_of(cell, link) for link in stage_links(cell, bundle))))


def stage_links(cell: Cell, bundle: Bundle) -> tuple[Link, ...]:
    """The links from stage to stage, each with its codec; in a hub one takes two of `route`."""
    partitions = partitions_of(cell, bundle)
    ends = [endpoint_of(cell), *(device for device, _, _ in partitions), endpoint_of(cell)]
    cuts = [0, *(stop for _, _, stop in partitions)]
    last = len(cuts) - 1
    return tuple(
        Link(
            sender,
            receiver,
            payload_bytes(bundle.tensors_at(cut), cell.batch),
            codec_of_link(cell.codec, sender, receiver, forward=position < last).name,
        )
        for position, (sender, receiver, cut) in enumerate(zip(ends[:-1], ends[1:], cuts, strict=True))
    )


def legs_of(cell: Cell, link: Link) -> tuple[Link, ...]:
    """The links that make one between two stages."""
    if cell.topology != HUB or link.sender == link.receiver or CONTROLLER in (link.sender, link.receiver):
        return (link,)
    return replace(link, receiver=CONTROLLER), replace(link, sender=CONTROLLER)


def partitions_of(cell: Cell, bundle: Bundle) -> list[tuple[str, int, int]]:
    """Device, start and stop of every partition that is not empty."""
    bounds = (0, *cell.cuts, bundle.node_count)
    return [
        (device, start, stop)
        for device, start, stop in zip(cell.devices, bounds[:-1], bounds[1:], strict=True)
        if start < stop
    ]


def endpoint_of(cell: Cell) -> str:
    """The source and sink of a cell: the controller or the first device."""
    return CONTROLLER if cell.source == CONTROLLER else cell.devices[0]


def payload_bytes(tensors: Iterable[Tensor], batch: int) -> int:
    """Bytes of these tensors for one request."""
    return sum(math.prod(t.concrete(batch)) * np.dtype(t.dtype).itemsize for t in tensors)


def tensor_specs(tensors: Iterable[Tensor], batch: int) -> tuple[TensorSpec, ...]:
    """These tensors of one request, in the workers' terms."""
    return tuple(TensorSpec(name=t.name, dtype=t.dtype, shape=t.concrete(batch)) for t in tensors)
