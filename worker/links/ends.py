"""The two ends of a link, as the stages and the endpoint see them."""

from collections.abc import Callable
from typing import Protocol

from worker.links.slots import Slot, SlotPool
from worker.wire.frames import LinkLayout
from worker.wire.messages import LinkSpec, SentBytes
from worker.wire.stream import Stream

__all__ = ["Connector", "Inlet", "LinkEnds", "Outlet", "SentHook", "ignore_sent"]

Connector = Callable[[LinkSpec], Stream]
"""Opens a stream to the receiving end of a link, preambles exchanged."""

SentHook = Callable[[Slot, float, float], None]
"""Told of each slot that was sent, with `wait_send_s` and `send_s`."""


class Inlet(Protocol):
    """The receiving end. `immediate` says that receiving costs no time: only waiting, no transfer.

    `reuses_memory` says that requests come in the same arrays again and again.
    What `receive` gives is decoded, and says in its `decode_s` how long that took.
    """

    name: str
    layout: LinkLayout
    immediate: bool
    reuses_memory: bool

    def receive(self) -> Slot | None:
        """The next request, waiting for it; None once the link was closed in order.

        Whoever receives a slot gives it back. Raises PeerError: the other end is lost or misbehaves.
        """

    def wait_open(self, timeout_s: float) -> None:
        """Wait until the other end has connected. Raises PeerError: it has not."""


class Outlet(Protocol):
    """The sending end. `immediate` says that `send` hands over and returns at once.

    Where the link has a codec, `send` encodes, and notes in the slot's `encode_s` how long that took.
    """

    name: str
    layout: LinkLayout
    immediate: bool
    pool: SlotPool
    on_sent: SentHook

    def send(self, slot: Slot) -> None:
        """Send a slot of `pool`; it goes back to the pool by itself.

        Raises:
            PeerError: the other end is lost.
        """

    def send_now(self, slot: Slot) -> bool:
        """Send a slot if that takes no waiting, in a thread that has other things to do.

        False: it has not gone, or not all of it; `send` it, before any other.

        Raises:
            PeerError: the other end is lost.
        """


class LinkEnds(Protocol):
    """All the link ends that one device has in a pipeline: `worker.links.Links`, or those of PyTorch RPC."""

    def inlet(self, name: str) -> Inlet:
        """The receiving end of a link."""

    def outlet(self, name: str) -> Outlet:
        """The sending end of a link."""

    def stand_ready(self) -> None:
        """All is built here."""

    def open(self, sender: str, connector: Connector) -> None:
        """Connect the outgoing links. Raises PeerError: a neighbour cannot be reached."""

    def take_sent(self) -> tuple[SentBytes, ...]:
        """What the codecs of the outgoing links made of the last run."""

    def close(self) -> None:
        """Free the connections; the scope has ended."""


def ignore_sent(_slot: Slot, _wait_send_s: float, _send_s: float) -> None:
    """The hook of an outlet whose sending nobody records."""
