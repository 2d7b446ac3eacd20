"""PyTorch RPC in place of our own sockets: what a device is told of it on the control connection.

It is PyTorch's own protocol, on ports of its own; nothing of it goes over the data port.
"""

from typing import Literal

from worker.wire.base import Message, Part

__all__ = ["CheckRpc", "RpcRoute", "RpcSpec", "RpcTransport"]

RpcTransport = Literal["tcp", "any"]
"""What carries the tensors: TCP alone, or what PyTorch finds best, such as shared memory within a host."""


class RpcRoute(Part, frozen=True):
    """The ends of a link between two devices, by the devices' names."""

    link: str
    sender: str
    receiver: str


class RpcSpec(Part, frozen=True):
    """A world of PyTorch RPC, told alike to all its devices but for `rank` and `address`.

    `workers` are the devices by rank. The first offers the store at which all meet, at `host` and `port`. A
    device talks over `interface`, or over the one that has its `address`. `threads` serve incoming calls.
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


class CheckRpc(Message, frozen=True):
    """Could you take part in a pipeline over PyTorch RPC? `port` is told to the one that is to offer it.

    Answered by `Done`, or by a `Problem` that says what is in the way.
    """

    interface: str | None = None
    port: int | None = None
