"""What a split does, in words: stay, offload, or split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from controller.results import CHAIN, SOCKET

__all__ = ["Kind", "Split", "describe", "equal_cuts"]

Kind = Literal["stay", "split", "offload"]


@dataclass(frozen=True)
class Split:
    """Where a cell cuts.

    Attributes:
        kind: `stay` (all in one stage on the first device), `offload` (raw input to another one), `split`.
        computing: The device of each stage, in chain order.
        place: `features.7`, `everything on pi`, `raw input to server`, `features.7, pi→server→pi`.
        where: For a label, with what is not as usual: `features.7, uint8, hub, 2 threads, torch_rpc`.
        sentence: What to do: `run everything on pi`, `cut after x with codec uint8 through the controller`.
    """

    kind: Kind
    computing: tuple[str, ...]
    place: str
    where: str
    sentence: str


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
    kind: Kind = "split"
    if computing == (devices[0],):
        kind, place, act = "stay", f"everything on {devices[0]}", f"run everything on {devices[0]}"
        # There is no link that these could be of.
        codec, topology, backend = "none", CHAIN, SOCKET
    elif len(computing) == 1:
        kind, place, act = "offload", f"raw input to {computing[0]}", f"send the raw input to {computing[0]}"
    else:
        place = _without_empty(label, cuts, node_count)
        act = f"cut after {place}"
        if len(set(computing)) < len(devices):
            chain = "→".join(computing)
            place, act = f"{place}, {chain}", f"{act}, stages on {chain}"
    number = "1 thread" if threads == 1 else f"{threads} threads"
    settings = (
        (codec != "none", codec, f"with codec {codec}"),
        (topology != CHAIN, topology, "through the controller"),
        (threads is not None, number, f"on {number} a stage"),
        (backend != SOCKET, backend, f"over {backend}"),
    )
    where = ", ".join([place, *(word for unusual, word, _ in settings if unusual)])
    sentence = " ".join([act, *(words for unusual, _, words in settings if unusual)])
    return Split(kind, computing, place, where, sentence)


def _without_empty(label: str, cuts: Sequence[int], node_count: int) -> str:
    """A label with each cut once, and without those at the ends of the graph: nothing lies between them."""
    parts = label.split(" | ")
    if len(parts) != len(cuts):
        return label
    named = dict(zip(cuts, parts, strict=True))
    return " | ".join(part for cut, part in named.items() if 0 < cut < node_count)


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
