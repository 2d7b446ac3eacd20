"""What carries requests from device to device: our own sockets, or PyTorch RPC for comparison."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from controller.errors import ExperimentError
from controller.experiment.networks import NetworkProfile
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.results import CHAIN, TORCH_RPC, Cell, Link
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import CheckRpc, RpcRoute, RpcSpec, RpcTransport

__all__ = ["BACKENDS", "Backend", "RpcSettings", "check_backend", "require_rpc", "rpc_specs"]

Backend = Literal["socket", "torch_rpc"]
BACKENDS: tuple[str, ...] = get_args(Backend)

_CHECK_TIMEOUT_S = 150.0


class RpcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How PyTorch RPC is run, where a cell asks for it.

    Attributes:
        port: Where the first device offers the store at which all meet. The tensors take any free ports.
        threads: What serves incoming calls on each device (`num_worker_threads`).
        interface: The network interface to use; None: the one that has the device's address.
        transport: `tcp`, or `any`: what PyTorch finds best, such as shared memory within a host.
    """

    port: Annotated[int, Meta(ge=1, le=65535)] = 29500
    threads: Annotated[int, Meta(ge=1)] = 16
    interface: Annotated[str, Meta(min_length=1)] | None = None
    transport: RpcTransport = "tcp"


def check_backend(cell: Cell, profile: NetworkProfile) -> None:
    """Refuse what PyTorch RPC would not do as asked: its connections are its own, on ports that nobody knows.

    Raises:
        ExperimentError: A codec, a network profile that limits something, or a part for the controller.
    """
    if cell.backend != TORCH_RPC:
        return
    if cell.codec != NO_CODEC.name:
        raise ExperimentError(
            f"backend torch_rpc makes its own connections, on which there is no codec {cell.codec!r}; use "
            f"codec none with it, in an experiment of its own"
        )
    if any(way.limited for way in profile.every_direction()):
        raise ExperimentError(
            f"backend torch_rpc makes its own connections, on ports that are neither emulated nor shaped: "
            f"network profile {cell.profile!r} would not hold; run it under one that limits nothing (ideal, "
            f"as_is)"
        )
    if cell.source != "first" or cell.topology != CHAIN:
        raise ExperimentError(
            "backend torch_rpc goes from device to device, and the controller has no part in it; use source: "
            "first and topology chain with it"
        )


def rpc_specs(
    settings: RpcSettings, devices: Collection[str], links: Sequence[Link], names: Sequence[str], lab: Lab
) -> dict[str, RpcSpec]:
    """What each device of a pipeline is told.

    Args:
        devices: Those with a part in it; the first offers the store.
        links: From the endpoint through the stages and back.
        names: What the workers call these links.
    """
    workers = tuple(devices)
    routes = tuple(
        RpcRoute(link=name, sender=link.sender, receiver=link.receiver)
        for name, link in zip(names, links, strict=True)
        if link.sender != link.receiver
    )
    return {
        device: RpcSpec(
            workers=workers,
            rank=rank,
            host=lab.device(workers[0]).host,
            port=settings.port,
            address=lab.device(device).host,
            routes=routes,
            threads=settings.threads,
            interface=settings.interface,
            transport=settings.transport,
        )
        for rank, device in enumerate(workers)
    }


def require_rpc(workers: Mapping[str, ClaimedWorker], cells: Iterable[Cell], settings: RpcSettings) -> None:
    """See that every device of cells over PyTorch RPC has it; devices that are not there are passed over.

    Raises:
        DeviceError: One has not, or its interface or port is not to be had; says which.
    """
    over_rpc = [cell for cell in cells if cell.backend == TORCH_RPC]
    firsts = {cell.devices[0] for cell in over_rpc}
    for device in dict.fromkeys(device for cell in over_rpc for device in cell.devices):
        if device not in workers:
            continue
        port = settings.port if device in firsts else None
        with workers[device].blame() as connection:
            connection.ask(CheckRpc(interface=settings.interface, port=port), timeout_s=_CHECK_TIMEOUT_S)
