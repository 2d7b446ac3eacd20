"""PyTorch RPC on the devices of a pipeline: each device's specification, and whether it can run it."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from controller.experiment.backend import RpcSettings
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.results import TORCH_RPC, Cell, Link
from worker.wire.messages import CheckRpc, RpcRoute, RpcSpec

__all__ = ["require_rpc", "rpc_specs"]

_CHECK_TIMEOUT_S = 150.0


def rpc_specs(
    settings: RpcSettings, devices: Collection[str], links: Sequence[Link], names: Sequence[str], lab: Lab
) -> dict[str, RpcSpec]:
    """The specification of each device of a pipeline.

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
        workers[device].ask(CheckRpc(interface=settings.interface, port=port), timeout_s=_CHECK_TIMEOUT_S)
