"""The two ends of a link, as the stages and the endpoint see them."""

from collections.abc import Callable
from typing import Protocol

from worker.links.slots import Slot, SlotPool
from worker.wire.frames import LinkLayout
from worker.wire.messages import LinkSpec
from worker.wire.stream import Stream

__all__ = ["Connector", "Inlet", "Outlet", "SentHook", "ignore_sent"]

Connector = Callable[[LinkSpec], Stream]
"""Opens a stream to the receiving end of a link, preambles exchanged."""

SentHook = Callable[[Slot, float, float], None]
"""Called for each sent slot, with `wait_send_s` and `send_s`."""


class Inlet(Protocol):
    """The receiving end. `immediate`: receiving is only waiting, without a transfer.

    `reuses_memory`: requests arrive in the same arrays again and again.
    `receive` returns a decoded slot; its `decode_s` says how long that took.
    """

    name: str
    layout: LinkLayout
    immediate: bool
    reuses_memory: bool

    def receive(self) -> Slot | None:
        """Wait for the next request; None once the link has closed in order.

        The receiver gives the slot back. Raises PeerError: the other end is lost or misbehaves.
        """

    def wait_open(self, timeout_s: float) -> None:
        """Wait until the other end has connected. Raises PeerError: it has not."""


class Outlet(Protocol):
    """The sending end. `immediate`: `send` hands over and returns at once.

    On a link with a codec `send` encodes, and notes the time in the slot's `encode_s`.
    """

    name: str
    layout: LinkLayout
    immediate: bool
    pool: SlotPool
    on_sent: SentHook

    def send(self, slot: Slot) -> None:
        """Send a slot of `pool`; it returns to the pool by itself.

        Raises:
            PeerError: the other end is lost.
        """

    def send_now(self, slot: Slot) -> bool:
        """Send a slot if that needs no waiting, for a thread with other work to do.

        False: the frame has not left, or not completely; `send` the slot before any other.

        Raises:
            PeerError: the other end is lost.
        """


def ignore_sent(_slot: Slot, _wait_send_s: float, _send_s: float) -> None:
    """The hook of an outlet that needs no records."""
