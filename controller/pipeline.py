"""A cell as a pipeline: which device loads what, and which link joins it to the next.

Planning is pure: from a cell, its bundle, the lab and the network profile to what each worker is
told. `controller.trial` tells them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.codec_choice import codec_of_link
from controller.errors import ExperimentError
from controller.lab import Lab
from controller.network_profiles import Direction, NetworkProfile
from controller.store import Cell, Link
from exporter.bundle import Bundle, Shard, Tensor
from worker.endpoint import WORST_ALLOWED_ERROR
from worker.wire.messages import (
    BuildPipeline,
    Emulation,
    EndpointSpec,
    HopSpec,
    LinkSpec,
    ShardRef,
    TensorSpec,
)

__all__ = ["CONTROLLER", "PipelinePlan", "Stage", "plan_pipeline", "route"]

CONTROLLER = "controller"


@dataclass(frozen=True)
class Stage:
    """A partition on a device."""

    device: str
    shard: Shard


@dataclass(frozen=True)
class PipelinePlan:
    """What the workers of one pipeline are told.

    Attributes:
        endpoint: The device that is source and sink, or `CONTROLLER`.
        stages: In the order of the chain.
        links: From the endpoint through the stages and back, as they go into the results.
        specs: The same links as the workers are told of them.
        builds: What each device is told to build; devices without a part in it are absent.
    """

    name: str
    endpoint: str
    stages: tuple[Stage, ...]
    links: tuple[Link, ...]
    specs: tuple[LinkSpec, ...]
    builds: dict[str, BuildPipeline]
    endpoint_spec: EndpointSpec


def plan_pipeline(
    name: str,
    cell: Cell,
    bundle: Bundle,
    lab: Lab,
    profile: NetworkProfile,
    *,
    threads: int = 1,
    check_every: int = 1,
    allowed_error: float = WORST_ALLOWED_ERROR,
    controller_address: tuple[str, int] | None = None,
) -> PipelinePlan:
    """Plan the pipeline of `cell`.

    Args:
        name: Unique among the pipelines of a sweep; links are named after it.
        allowed_error: What a result may differ by from its answer, of the answer's own maximum.
        controller_address: Where the controller takes results, when it is the source.

    Raises:
        ExperimentError: The controller is the source, but has no address.
    """
    stages = tuple(
        Stage(device, bundle.shard(start, stop)) for device, start, stop in _partitions(cell, bundle)
    )
    endpoint = _endpoint(cell)
    links = route(cell, bundle)
    tensors = [stages[0].shard.inputs, *(stage.shard.outputs for stage in stages)]
    specs = tuple(
        _link_spec(f"{name}/{i}", link, crossing, cell, lab, profile, controller_address)
        for i, (link, crossing) in enumerate(zip(links, tensors, strict=True))
    )
    endpoint_spec = EndpointSpec(
        bundle=bundle.digest,
        outlet=specs[0].name,
        inlet=specs[-1].name,
        batch=cell.batch,
        check_every=check_every,
        allowed_error=allowed_error,
        prefetch=cell.prefetch,
    )
    hops = tuple(
        HopSpec(
            shard=ShardRef(
                digest=stage.shard.digest,
                bundle=bundle.digest,
                start=stage.shard.start,
                stop=stage.shard.stop,
            ),
            inlet=before.name,
            outlet=after.name,
            threads=threads,
        )
        for stage, before, after in zip(stages, specs[:-1], specs[1:], strict=True)
    )
    builds = {
        device: BuildPipeline(
            name=name,
            depth=cell.depth,
            links=tuple(
                spec
                for spec, link in zip(specs, links, strict=True)
                if device in (link.sender, link.receiver)
            ),
            hops=tuple(hop for hop, stage in zip(hops, stages, strict=True) if stage.device == device),
            endpoint=endpoint_spec if device == endpoint else None,
        )
        for device in cell.devices
        if device == endpoint or any(stage.device == device for stage in stages)
    }
    return PipelinePlan(name, endpoint, stages, links, specs, builds, endpoint_spec)


def route(cell: Cell, bundle: Bundle) -> tuple[Link, ...]:
    """The links of a cell, from the endpoint through its stages and back, with what crosses them."""
    partitions = _partitions(cell, bundle)
    ends = [_endpoint(cell), *(device for device, _, _ in partitions), _endpoint(cell)]
    cuts = [0, *(stop for _, _, stop in partitions)]
    last = len(cuts) - 1
    return tuple(
        Link(
            sender,
            receiver,
            sum(_size_bytes(tensor, cell.batch) for tensor in bundle.tensors_at(cut)),
            codec_of_link(cell.codec, sender, receiver, forward=position < last).name,
        )
        for position, (sender, receiver, cut) in enumerate(zip(ends[:-1], ends[1:], cuts, strict=True))
    )


def _partitions(cell: Cell, bundle: Bundle) -> list[tuple[str, int, int]]:
    """Device, start and stop of every partition that is not empty."""
    bounds = (0, *cell.cuts, bundle.node_count)
    return [
        (device, start, stop)
        for device, start, stop in zip(cell.devices, bounds[:-1], bounds[1:], strict=True)
        if start < stop
    ]


def _endpoint(cell: Cell) -> str:
    return CONTROLLER if cell.source == CONTROLLER else cell.devices[0]


def _size_bytes(tensor: Tensor, batch: int) -> int:
    return math.prod(tensor.concrete(batch)) * np.dtype(tensor.dtype).itemsize


def _link_spec(
    name: str,
    link: Link,
    crossing: Sequence[Tensor],
    cell: Cell,
    lab: Lab,
    profile: NetworkProfile,
    controller_address: tuple[str, int] | None,
) -> LinkSpec:
    tensors = tuple(
        TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=tensor.concrete(cell.batch))
        for tensor in crossing
    )
    if link.sender == link.receiver:
        return LinkSpec(name=name, tensors=tensors)
    if link.receiver == CONTROLLER:
        if controller_address is None:
            raise ExperimentError(
                "key 'source': the controller has no address that the last device could reach"
            )
        host, port = controller_address
    else:
        receiver = lab.device(link.receiver)
        host, port = receiver.host, receiver.data_port
    forward = lab.is_forward(link.sender, link.receiver)
    conditions = profile.between(link.sender, link.receiver, forward=forward)
    emulation = _emulation(conditions) if cell.link == "emulated" else None
    return LinkSpec(name=name, tensors=tensors, host=host, port=port, emulation=emulation, codec=link.codec)


def _emulation(conditions: Direction) -> Emulation:
    return Emulation(
        delay_ms=conditions.delay_ms, jitter_ms=conditions.jitter_ms, rate_mbit=conditions.rate_mbit
    )
