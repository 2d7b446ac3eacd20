"""Which codec each link of a cell has.

An experiment names one codec for every link between devices (`uint8`), or a mapping: `forward` (towards
later devices), `backward` (the results), or `SENDER -> RECEIVER`; links that it leaves out have none. In a
cell, and in the results, the choice is one line: `uint8`, or `forward: uint8; pi -> server: zfp:0.01`.
"""

from collections.abc import Collection, Mapping

from controller.errors import ExperimentError
from worker.wire.codecs import NO_CODEC, Codec, parse_codec
from worker.wire.errors import RefusedError

__all__ = ["check_pairs", "choice_of", "codec_of_link", "is_by_link", "pairs_of"]

_DIRECTIONS = ("forward", "backward")


def choice_of(choice: str | Mapping[str, str], place: str) -> str:
    """The one line of a codec, or of a mapping of links to codecs; equal choices have equal lines.

    A mapping may be written as such a line already, as on a command line.

    Raises:
        ExperimentError: No such codec, a wrong parameter, or a key that is no link; begins with `place`.
    """
    if isinstance(choice, str):
        if not is_by_link(choice):
            return _parse(choice.strip(), place).name
        choice = _links(choice)
    links = {" -> ".join(_ends(key, place)): _parse(name, place) for key, name in choice.items()}
    named = {key: codec for key, codec in links.items() if codec != NO_CODEC or key not in _DIRECTIONS}
    order = sorted(named, key=lambda key: (key not in _DIRECTIONS, key != "forward", key))
    return "; ".join(f"{key}: {named[key].name}" for key in order) or NO_CODEC.name


def codec_of_link(choice: str, sender: str, receiver: str, *, forward: bool) -> Codec:
    """The codec that `choice` has for one link; none where both its ends are on one device."""
    if sender == receiver:
        return NO_CODEC
    if not is_by_link(choice):
        return parse_codec(choice)
    links = _links(choice)
    direction = links.get("forward" if forward else "backward", NO_CODEC.name)
    return parse_codec(links.get(f"{sender} -> {receiver}", direction))


def is_by_link(choice: str) -> bool:
    """Whether a choice is of single links, and so not one codec for all."""
    return ": " in choice


def pairs_of(choice: str) -> set[tuple[str, str]]:
    """The links that a choice names by their ends."""
    if not is_by_link(choice):
        return set()
    return {(ends[0], ends[1]) for key in _links(choice) if len(ends := key.split(" -> ")) == 2}


def check_pairs(choice: str, devices: Collection[str], place: str) -> None:
    """See that a choice names devices that are there.

    Raises:
        ExperimentError: It names another one.
    """
    for name in sorted({end for pair in pairs_of(choice) for end in pair} - set(devices)):
        raise ExperimentError(
            f"{place}: no chain has a device {name!r}; its devices are {', '.join(devices)}"
        )


def _links(line: str) -> dict[str, str]:
    return {key.strip(): name.strip() for key, _, name in (part.partition(": ") for part in line.split(";"))}


def _ends(key: str, place: str) -> tuple[str, ...]:
    if key in _DIRECTIONS:
        return (key,)
    ends = tuple(end.strip() for end in key.split("->"))
    if len(ends) != 2 or not all(ends):
        raise ExperimentError(f"{place}: {key!r} is not a link; use forward, backward or SENDER -> RECEIVER")
    return ends


def _parse(name: str, place: str) -> Codec:
    try:
        return parse_codec(name)
    except RefusedError as error:
        raise ExperimentError(f"{place}: {error}") from error
