"""What carries requests from device to device: our own sockets, or PyTorch RPC for comparison."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.errors import ExperimentError
from controller.experiment.networks import Network
from controller.results import CHAIN, TORCH_RPC, Cell
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import RpcTransport

__all__ = ["Backend", "RpcSettings", "check_backend"]

Backend = Literal["socket", "torch_rpc"]


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


def check_backend(cell: Cell, network: Network) -> None:
    """Refuse what PyTorch RPC cannot do: it opens its own connections, on ports unknown in advance.

    Raises:
        ExperimentError: A codec, a network that limits something, or a part for the controller.
    """
    if cell.backend != TORCH_RPC:
        return
    if cell.codec != NO_CODEC.name:
        raise ExperimentError(
            f"backend torch_rpc makes its own connections, which have no codec {cell.codec!r}; use codec "
            f"none with it, in an experiment of its own"
        )
    if any(way.limited for way in network.every_direction()):
        raise ExperimentError(
            f"backend torch_rpc opens ports that edgecut neither emulates nor shapes: network "
            f"{cell.network!r} would not hold; run it under one that limits nothing (ideal, as_is)"
        )
    if cell.source != "first" or cell.topology != CHAIN:
        raise ExperimentError(
            "backend torch_rpc goes from device to device, and the controller has no part in it; use source: "
            "first and topology chain with it"
        )
