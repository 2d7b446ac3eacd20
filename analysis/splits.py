"""What a split does, in words: it stays, it offloads, or it cuts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Kind", "Split", "describe"]

Kind = Literal["stay", "split", "offload"]


@dataclass(frozen=True)
class Split:
    """Where a cell cuts.

    Attributes:
        kind: `stay` (all on the first device), `offload` (raw input to one other device), `split`.
        where: For a label: `features.7`, `all on pi`, `raw input to server`, `features.7, uint8`.
        sentence: For a sentence: `cut after features.7`, `run all of it on pi`, `... with codec uint8`.
        computing: The devices that compute anything, in chain order.
        codec: Of its links.
    """

    kind: Kind
    where: str
    sentence: str
    computing: tuple[str, ...]
    codec: str = "none"

    @property
    def place(self) -> str:
        """`where`, whatever the codec."""
        return self.where.removesuffix(f", {self.codec}")


def describe(
    cuts: Sequence[int], label: str, devices: Sequence[str], node_count: int, codec: str = "none"
) -> Split:
    """The split of `devices` at `cuts`, where 0 and `node_count` are the ends.

    An empty partition leaves its device out, so a chain of three whose cuts are (0, node_count) offloads
    to the second device.
    """
    edges = (0, *cuts, node_count)
    partitions = zip(devices, edges[:-1], edges[1:], strict=True)
    computing = tuple(device for device, start, stop in partitions if stop > start)
    if computing == (devices[0],):
        return Split("stay", f"all on {devices[0]}", f"run all of it on {devices[0]}", computing)
    if len(computing) == 1:
        to = computing[0]
        return _with_codec(
            Split("offload", f"raw input to {to}", f"send the raw input to {to}", computing), codec
        )
    return _with_codec(Split("split", label, f"cut after {label}", computing), codec)


def _with_codec(split: Split, codec: str) -> Split:
    if codec == "none":
        return split
    return replace(
        split, codec=codec, where=f"{split.where}, {codec}", sentence=f"{split.sentence} with codec {codec}"
    )
