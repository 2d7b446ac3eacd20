"""A cell as a pipeline: which device loads what, and which link joins it to the next.

Planning is pure: from a cell, its bundle, the lab and the network to the requests of each worker, which
`controller.pipeline.runner` sends.
"""

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.errors import ExperimentError
from controller.experiment.backend import RpcSettings
from controller.experiment.networks import Direction, Network
from controller.experiment.planted import planted_time
from controller.experiment.topology import (
    CONTROLLER,
    endpoint_of,
    legs_of,
    partitions_of,
    stage_links,
    tensor_specs,
)
from controller.lab.inventory import Lab
from controller.pipeline.rpc import rpc_specs
from controller.results import TORCH_RPC, Cell, FullSpeed, Link
from exporter.bundle import Bundle, Shard, Tensor
from worker.endpoint import WORST_ALLOWED_ERROR
from worker.wire.messages import (
    INPUTS_ALONE,
    BuildPipeline,
    Emulation,
    EndpointSpec,
    HopSpec,
    LinkSpec,
    ShardRef,
)

__all__ = ["PipelinePlan", "Stage", "known_full_speeds", "plan_pipeline", "varies_with_data"]

_USUAL_RPC = RpcSettings()

_INPUTS_OF_VARYING: Final = 32
"""In place of `INPUTS_ALONE`, for a stage whose time depends on the data."""


@dataclass(frozen=True)
class Stage:
    """A partition on a device."""

    device: str
    shard: Shard


@dataclass(frozen=True)
class PipelinePlan:
    """The plan of one pipeline, for its workers.

    Attributes:
        endpoint: The device that is source and sink, or `CONTROLLER`.
        stages: In the order of the chain.
        links: From the endpoint through the stages and back, as they go into the results.
        specs: The same links in the workers' terms.
        builds: What each device builds; devices without a part in it are absent.
        relays: Names of a link that ends at the controller and of the one over which it goes on.
    """

    name: str
    endpoint: str
    stages: tuple[Stage, ...]
    links: tuple[Link, ...]
    specs: tuple[LinkSpec, ...]
    builds: dict[str, BuildPipeline]
    endpoint_spec: EndpointSpec
    relays: tuple[tuple[str, str], ...] = ()

    @property
    def has_controller_endpoint(self) -> bool:
        """Whether the controller is source and sink."""
        return self.endpoint == CONTROLLER

    @property
    def rehearsal(self) -> int:
        """How many requests to run before a trial, for stages that keep more than its warm-up."""
        keeps = (hop.keeps for build in self.builds.values() for hop in build.hops if hop.varies)
        return max(keeps, default=0)

    @property
    def jitter_seeds(self) -> dict[str, int]:
        """The seed of the jitter from one device to another (`pi -> server`), where links emulate one."""
        return {
            f"{link.sender} -> {link.receiver}": spec.emulation.seed
            for spec, link in zip(self.specs, self.links, strict=True)
            if spec.emulation is not None and spec.emulation.jitter_ms
        }

    @property
    def controller_links(self) -> tuple[LinkSpec, ...]:
        """The links that begin or end at the controller."""
        ends = zip(self.specs, self.links, strict=True)
        return tuple(spec for spec, link in ends if CONTROLLER in (link.sender, link.receiver))


def plan_pipeline(
    name: str,
    cell: Cell,
    bundle: Bundle,
    lab: Lab,
    network: Network,
    *,
    threads: int | Mapping[str, int] = 1,
    check_every: int = 1,
    allowed_error: float = WORST_ALLOWED_ERROR,
    controller_addresses: Mapping[str, tuple[str, int]] | None = None,
    rpc: RpcSettings = _USUAL_RPC,
    seed: int = 0,
    full_speeds: Sequence[FullSpeed] = (),
) -> PipelinePlan:
    """Plan the pipeline of `cell`.

    Args:
        name: Unique among the pipelines of a sweep; links are named after it.
        threads: ONNX Runtime threads of a stage: one number, or by device.
        allowed_error: What a result may differ by from its answer, of the answer's own maximum.
        controller_addresses: By device, where it reaches the controller, when that has a part in it.
        rpc: How PyTorch RPC is run, if that is the cell's backend.
        seed: Of the jitter on emulated links and of planted times; each direction between two devices, and
            each stage, has its own from it.
        full_speeds: What earlier pipelines of the sweep measured of stages on slower devices.

    Raises:
        ExperimentError: The controller has a part in it, but no address.
    """
    stages = tuple(
        Stage(device, bundle.shard(start, stop)) for device, start, stop in partitions_of(cell, bundle)
    )
    endpoint = endpoint_of(cell)
    tensors = [stages[0].shard.inputs, *(stage.shard.outputs for stage in stages)]
    ways = [legs_of(cell, link) for link in stage_links(cell, bundle)]
    links = tuple(_under(network, link, lab) for link in itertools.chain(*ways))
    way_specs = [
        tuple(
            _link_spec(
                f"{name}/{i}{'on' * leg}", link, crossing, cell, lab, network, controller_addresses, seed
            )
            for leg, link in enumerate(way)
        )
        for i, (way, crossing) in enumerate(zip(ways, tensors, strict=True))
    ]
    specs = tuple(itertools.chain(*way_specs))
    endpoint_spec = EndpointSpec(
        bundle=bundle.digest,
        outlet=way_specs[0][0].name,
        inlet=way_specs[-1][-1].name,
        batch=cell.batch,
        check_every=check_every,
        allowed_error=allowed_error,
        prefetch=cell.prefetch,
    )
    threads_of = {
        device: threads if isinstance(threads, int) else threads[device]
        for device in {stage.device for stage in stages}
    }
    full_speed_s = known_full_speeds(full_speeds, bundle, cell.batch)
    hops = tuple(
        HopSpec(
            shard=ShardRef(
                digest=stage.shard.digest,
                bundle=bundle.digest,
                start=stage.shard.start,
                stop=stage.shard.stop,
            ),
            inlet=before[-1].name,
            outlet=after[0].name,
            threads=threads_of[stage.device],
            full_speed_s=full_speed_s.get(
                (stage.device, stage.shard.start, stage.shard.stop, threads_of[stage.device])
            ),
            varies=(varies := varies_with_data(bundle, stage.shard.start, stage.shard.stop)),
            keeps=_INPUTS_OF_VARYING if varies else INPUTS_ALONE,
            planted=planted_time(cell.planted, stage.device, stage.shard.start, stage.shard.stop, seed=seed),
        )
        for stage, before, after in zip(stages, way_specs[:-1], way_specs[1:], strict=True)
    )
    # In the order of the chain, each once.
    devices = [
        device
        for device in dict.fromkeys(cell.devices)
        if device == endpoint or any(stage.device == device for stage in stages)
    ]
    over_rpc = cell.backend == TORCH_RPC
    rpc_of = rpc_specs(rpc, devices, links, [spec.name for spec in specs], lab) if over_rpc else {}
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
            rpc=rpc_of.get(device),
        )
        for device in devices
    }
    relays = tuple((legs[0].name, legs[1].name) for legs in way_specs if len(legs) > 1)
    return PipelinePlan(name, endpoint, stages, links, specs, builds, endpoint_spec, relays)


def known_full_speeds(
    full_speeds: Sequence[FullSpeed], bundle: Bundle, batch: int
) -> dict[tuple[str, int, int, int], float]:
    """Times at full speed of a bundle's stages, in seconds by device, nodes `[start, stop)` and threads."""
    return {
        (known.device, known.start, known.stop, known.threads): known.compute_s
        for known in full_speeds
        if (known.bundle, known.batch) == (bundle.digest, batch)
    }


_DATA_DEPENDENT = frozenset(
    {"Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "Scan", "SequenceMap", "Unique"}
)
"""Operators that run other nodes, or make tensors of other sizes, depending on values."""


def varies_with_data(bundle: Bundle, start: int, stop: int) -> bool:
    """Whether the time of the stage of nodes `[start, stop)` depends on the data.

    It does only by operators that decide by values what is computed, or how much: what crosses a cut has a
    fixed shape, and every other operator's work follows from shapes.
    """
    return any(node.op in _DATA_DEPENDENT for node in bundle.manifest.nodes[start:stop])


def _link_spec(
    name: str,
    link: Link,
    crossing: Sequence[Tensor],
    cell: Cell,
    lab: Lab,
    network: Network,
    controller_addresses: Mapping[str, tuple[str, int]] | None,
    seed: int,
) -> LinkSpec:
    tensors = tensor_specs(crossing, cell.batch)
    if link.sender == link.receiver:
        return LinkSpec(name=name, tensors=tensors)
    if link.receiver == CONTROLLER:
        if controller_addresses is None:
            raise ExperimentError(f"the controller has no address that device {link.sender!r} could reach")
        host, port = controller_addresses[link.sender]
    else:
        receiver = lab.device(link.receiver)
        host, port = receiver.host, receiver.data_port
    conditions = _conditions(link, lab, network)
    # What makes connections of its own runs under networks alone that limit nothing.
    emulated = cell.shaping == "emulated" and cell.backend != TORCH_RPC
    emulation = Emulation(
        delay_ms=conditions.delay_ms,
        jitter_ms=conditions.jitter_ms,
        rate_mbit=conditions.rate_mbit,
        seed=_jitter_seed(seed, link),
    )
    return LinkSpec(
        name=name,
        tensors=tensors,
        host=host,
        port=port,
        emulation=emulation if emulated else None,
        codec=link.codec,
        receiver=link.receiver,
    )


def _conditions(link: Link, lab: Lab, network: Network) -> Direction:
    forward = lab.is_forward(link.sender, link.receiver)
    return network.between(link.sender, link.receiver, forward=forward)


def _under(network: Network, link: Link, lab: Lab) -> Link:
    if link.sender == link.receiver:
        return link
    conditions = _conditions(link, lab, network)
    return replace(link, rate_mbit=conditions.rate_mbit, delay_ms=conditions.delay_ms)


def _jitter_seed(seed: int, link: Link) -> int:
    """Differs by direction: with one seed for both, the jitters of a round trip would add up."""
    return zlib.crc32(f"{seed}:{link.sender}:{link.receiver}".encode())
