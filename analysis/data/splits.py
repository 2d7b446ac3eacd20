"""What a split does, in words: stay, offload, or split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from controller.results import CHAIN, SOCKET

__all__ = ["Kind", "Split", "describe", "equal_cuts"]

Kind = Literal["stay", "split", "offload"]


@dataclass(frozen=True)
class Split:
    """Where a cell cuts.

    Attributes:
        kind: `stay` (all in one stage on the first device), `offload` (raw input to another one), `split`.
        place: For a label: `features.7`, `everything on pi`, `raw input to server`,
            `features.7, pi→server→pi`.
        act: For a sentence: `cut after features.7`, `run everything on pi`.
        computing: The device of each stage, in chain order.
        codec: Of its links.
        topology: `chain`, or `hub` (through the controller).
        threads: Of each stage, where several numbers are compared.
        backend: What carries its requests: `socket`, `torch_rpc`.
    """

    kind: Kind
    place: str
    act: str
    computing: tuple[str, ...]
    codec: str = "none"
    topology: str = CHAIN
    threads: int | None = None
    backend: str = SOCKET

    @property
    def where(self) -> str:
        """`place`, with what is not as usual: `features.7, uint8, hub, 2 threads, torch_rpc`."""
        codec = "" if self.codec == "none" else f", {self.codec}"
        topology = "" if self.topology == CHAIN else f", {self.topology}"
        threads = f", {_threads(self.threads)}" if self.threads else ""
        return (
            self.place + codec + topology + threads + ("" if self.backend == SOCKET else f", {self.backend}")
        )

    @property
    def sentence(self) -> str:
        """`act`, with what is not as usual: `cut after x with codec uint8 through the controller`."""
        codec = "" if self.codec == "none" else f" with codec {self.codec}"
        topology = "" if self.topology == CHAIN else " through the controller"
        threads = f" on {_threads(self.threads)} a stage" if self.threads else ""
        return (
            self.act
            + codec
            + topology
            + threads
            + ("" if self.backend == SOCKET else f" over {self.backend}")
        )


def describe(
    cuts: Sequence[int],
    label: str,
    devices: Sequence[str],
    node_count: int,
    *,
    codec: str = "none",
    topology: str = CHAIN,
    threads: int | None = None,
    backend: str = SOCKET,
) -> Split:
    """The split of `devices` at `cuts`, where 0 and `node_count` are the ends.

    An empty partition leaves its device out, so a chain of three whose cuts are (0, node_count) offloads
    to the second device. Where one is left out, or has several stages, the chain stands beside the cuts.
    """
    edges = (0, *cuts, node_count)
    partitions = zip(devices, edges[:-1], edges[1:], strict=True)
    computing = tuple(device for device, start, stop in partitions if stop > start)
    if computing == (devices[0],):
        stay = Split("stay", f"everything on {devices[0]}", f"run everything on {devices[0]}", computing)
        return replace(stay, threads=threads)
    if len(computing) == 1:
        to = computing[0]
        split = Split("offload", f"raw input to {to}", f"send the raw input to {to}", computing)
    else:
        at = _without_empty(label, cuts, node_count)
        split = Split("split", at, f"cut after {at}", computing)
        if len(set(computing)) < len(devices):
            chain = "→".join(computing)
            split = replace(split, place=f"{at}, {chain}", act=f"{split.act}, stages on {chain}")
    return replace(split, codec=codec, topology=topology, threads=threads, backend=backend)


def _without_empty(label: str, cuts: Sequence[int], node_count: int) -> str:
    """A label with each cut once, and without those at the ends of the graph: nothing lies between them."""
    parts = label.split(" | ")
    if len(parts) != len(cuts):
        return label
    named = dict(zip(cuts, parts, strict=True))
    return " | ".join(part for cut, part in named.items() if 0 < cut < node_count)


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def equal_cuts(manifest: Mapping[str, Any], stages: int) -> tuple[int, ...]:
    """The clean cuts nearest to an equal number of nodes a stage, as `exporter cuts` has them.

    Empty where the graph has too few clean cuts for so many stages, or for one stage.
    """
    clean = sorted(int(point["index"]) for point in manifest["cut_points"] if point["clean"])
    if not 2 <= stages <= len(clean) + 1:
        return ()
    chosen: list[int] = []
    for number in range(1, stages):
        first = clean.index(chosen[-1]) + 1 if chosen else 0
        last = len(clean) - (stages - 1 - number)
        target = int(manifest["node_count"]) * number / stages
        chosen.append(min(clean[first:last], key=lambda index: abs(index - target)))
    return tuple(chosen)
