"""Named link conditions: the file of networks."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.errors import ExperimentError, did_you_mean
from controller.experiment.yaml_file import convert, read_yaml

__all__ = ["AS_IS", "Direction", "Network", "find_network", "load_networks"]

AS_IS = "as_is"
"""The network that is in no file: links are left as they are, and only measured."""

# Ten million ms are hours, and 10 million Mbit/s is more than any wire: beyond is a slip, or infinite.
_NotNegative = Annotated[float, Meta(ge=0, le=1e7)]
_Positive = Annotated[float, Meta(gt=0, le=1e7)]


class Direction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Conditions of a link one way.

    Attributes:
        delay_ms: One-way delay in milliseconds.
        jitter_ms: Deviation of the delay, +- milliseconds.
        rate_mbit: Rate in Mbit/s; None is unlimited.
        loss_percent: Packets lost, in per cent.
    """

    delay_ms: _NotNegative = 0.0
    jitter_ms: _NotNegative = 0.0
    rate_mbit: _Positive | None = None
    loss_percent: Annotated[float, Meta(ge=0, lt=100)] = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is anything to impose."""
        return bool(self.delay_ms or self.jitter_ms or self.rate_mbit or self.loss_percent)


class Network(Direction, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Conditions of a link, both ways alike unless `forward` or `backward` says otherwise.

    Forward is from an earlier device of the lab to a later one, regardless of a cell's chain.

    Attributes:
        pairs: Conditions from one device to another, `SENDER -> RECEIVER`, in place of all the above.
    """

    description: str = ""
    forward: Direction | None = None
    backward: Direction | None = None
    pairs: dict[str, Direction] | msgspec.UnsetType = msgspec.UNSET

    def direction(self, forward: bool) -> Direction:
        """The conditions one way."""
        return (self.forward if forward else self.backward) or self

    def between(self, sender: str, receiver: str, *, forward: bool) -> Direction:
        """The conditions from one device to another, by their names."""
        pairs = self.pairs or {}
        return pairs.get(f"{sender} -> {receiver}") or self.direction(forward)

    def every_direction(self) -> list[Direction]:
        """All conditions that some link may get."""
        return [self.direction(forward=True), self.direction(forward=False), *(self.pairs or {}).values()]

    def check_pairs(self, name: str, devices: Sequence[str]) -> None:
        """Raise ExperimentError: `pairs` has a key that is no pair of these devices."""
        there = [f"{sender} -> {receiver}" for sender, receiver in itertools.permutations(devices, 2)]
        for pair in self.pairs or {}:
            if pair not in there:
                raise ExperimentError(
                    f"network {name!r}: key 'pairs.{pair}' is not SENDER -> RECEIVER of this lab"
                    f"{did_you_mean(pair, there)}"
                )


def load_networks(path: Path) -> dict[str, Network]:
    """Read a file of networks.

    Raises:
        ExperimentError: No such file, or a key, type or number in it is wrong.
    """
    raw = read_yaml(path, "networks")
    if not isinstance(raw, dict):
        raise ExperimentError(f"networks {path}: expected a mapping of names to conditions")
    if AS_IS in raw:
        raise ExperimentError(
            f"networks {path}: key {AS_IS!r} is taken (it stands for links as they are); rename it"
        )
    for name in raw:
        if not isinstance(name, str):
            raise ExperimentError(f"networks {path}: the name {name} is no text; write it in quotes")
    return {
        name: convert(conditions, Network, f"networks {path}", within=name)
        for name, conditions in raw.items()
    }


def find_network(networks: dict[str, Network], name: str, path: Path) -> Network:
    """The network of that name; `as_is`, which no file has, limits nothing.

    Raises:
        ExperimentError: There is none; the nearest is suggested.
    """
    if name == AS_IS:
        return Network(description="links as they are, only measured")
    if name not in networks:
        raise ExperimentError(f"no network {name!r} in {path}{did_you_mean(name, [*networks, AS_IS])}")
    return networks[name]
