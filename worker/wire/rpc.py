"""Control messages for PyTorch RPC in place of our own sockets.

RPC has its own protocol and its own ports; none of its traffic goes over the data port.
"""

from typing import Literal

from worker.wire.base import Done, Part, Request

__all__ = ["CheckRpc", "RpcRoute", "RpcSpec", "RpcTransport"]

RpcTransport = Literal["tcp", "any"]
"""What carries the tensors: TCP alone, or what PyTorch finds best, such as shared memory within a host."""


class RpcRoute(Part, frozen=True):
    """The ends of a link between two devices, by the devices' names."""

    link: str
    sender: str
    receiver: str


class RpcSpec(Part, frozen=True):
    """A world of PyTorch RPC: the same for all its devices, except `rank` and `address`.

    `workers` are the devices by rank. The first offers the store at which all meet, at `host` and `port`. A
    device uses `interface`, or the one with its `address`. `threads` serve incoming calls.
    """

    workers: tuple[str, ...]
    rank: int
    host: str
    port: int
    address: str
    routes: tuple[RpcRoute, ...]
    threads: int = 16
    interface: str | None = None
    transport: RpcTransport = "tcp"


class CheckRpc(Request[Done], frozen=True):
    """Check whether the device can take part in a pipeline over PyTorch RPC.

    `port` goes to the device that is to offer it. A `Problem` says what prevents it.
    """

    interface: str | None = None
    port: int | None = None
