"""Which cells of two sides are the same cell, and why two sides may not be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from analysis.data.sweep import CellResult, Sweep, load
from analysis.errors import ComparisonError
from controller.results import Cell

__all__ = ["Side", "cell_in_other_names", "in_the_names_of", "matched", "sides_of"]


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        network: The network that alone counts; None: each, against the one of its name.
        known_as: For each device that the other side calls otherwise, what that one calls it.
    """

    name: str
    sweep: Sweep
    network: str | None = None
    known_as: Mapping[str, str] = field(default_factory=dict)

    def cells(self) -> list[CellResult]:
        """Its finished cells, of its network."""
        return [
            c
            for c in self.sweep.cells
            if c.trials and (self.network is None or c.cell.network == self.network)
        ]


def sides_of(results: Sequence[Path], networks: str, seed: int) -> tuple[Side, Side]:
    """What is to be compared, from how it was typed.

    Args:
        results: One or two results files.
        networks: Two names, `wifi,lan`; nothing for all.
        seed: Of what is drawn from trials.

    Raises:
        ComparisonError: Not one or two files, not two networks, or one file without networks.
    """
    names = [name.strip() for name in networks.split(",")] if networks else []
    if networks and (len(names) != 2 or not all(names)):
        raise ComparisonError(f"--networks {networks}: name two networks, as in wifi,lan")
    if not 1 <= len(results) <= 2:
        raise ComparisonError(f"{len(results)} results files; compare two, or two networks of one")
    if len(results) == 1 and not names:
        raise ComparisonError(f"{results[0]} has nothing beside it; name another file, or --networks X,Y")
    sweeps = [load(path, seed=seed) for path in results]
    one, other = sweeps[0], sweeps[-1]
    mine, theirs = names or (None, None)
    return Side(_named(results[0], mine), one, mine), Side(_named(results[-1], theirs), other, theirs)


def _named(path: Path, network: str | None) -> str:
    return str(path) if network is None else f"{path}, {network}"


def in_the_names_of(a: Side, b: Side) -> Side:
    """`b` with its devices known as those of `a`: equal names first, the others by position in the lab."""
    ours, theirs = ([device.name for device in side.sweep.devices] for side in (a, b))
    if len(ours) != len(theirs):
        return b
    rest = ([n for n in names if n not in others] for names, others in ((theirs, ours), (ours, theirs)))
    return replace(b, known_as=dict(zip(*rest, strict=True)))


def cell_in_other_names(side: Side, cell: Cell) -> Cell:
    """A cell of one side with the names that its devices have on the other."""
    names = side.known_as
    if not names:
        return cell
    devices = tuple(names.get(device, device) for device in cell.devices)
    links = (part.partition(": ") for part in cell.codec.split("; "))
    codecs = (
        " -> ".join(names.get(end, end) for end in key.split(" -> ")) + colon + codec
        for key, colon, codec in links
    )
    planted = cell.planted
    if planted is not None:
        known = {names.get(device, device): times for device, times in msgspec.json.decode(planted).items()}
        # As an experiment writes it.
        planted = msgspec.json.encode(known, order="sorted").decode()
    return replace(cell, devices=devices, codec="; ".join(codecs), planted=planted)


def matched(a: Side, b: Side) -> list[tuple[CellResult, CellResult]]:
    """The cells that both have, in the order of `a`.

    Cells are the same when all that makes a cell is, the bundle's digest first of all, with devices by the
    names of `a`. Between two networks the network, and how it is imposed, may differ.

    Raises:
        ComparisonError: There is none, or what has one name is not one thing; which it is.
    """
    _check_networks(a, b)
    _check_bundles(a, b)
    across = a.network is not None
    theirs = {_key(b, c, across): c for c in b.cells()}
    pairs = [(c, theirs[key]) for c in a.cells() if (key := _key(a, c, across)) in theirs]
    if not pairs:
        raise ComparisonError(f"{a.name} and {b.name} have no finished cell in common: {_why(a, b, across)}")
    if not across:
        _check_conditions(a, b, {mine.cell.network for mine, _ in pairs})
    return pairs


def _key(side: Side, result: CellResult, across: bool) -> str:
    cell = cell_in_other_names(side, result.cell)
    return replace(cell, network="", shaping="").id if across else cell.id


def _check_networks(a: Side, b: Side) -> None:
    for side in (a, b):
        names = [p.name for p in side.sweep.networks]
        if side.network is not None and side.network not in names:
            raise ComparisonError(
                f"{side.sweep.path} has no network {side.network!r}; it has {', '.join(names)}"
            )
    if (a.sweep.path.resolve(), a.network) == (b.sweep.path.resolve(), b.network):
        raise ComparisonError(
            f"{a.name} would be compared with itself; name two networks with --networks X,Y"
        )


def _check_bundles(a: Side, b: Side) -> None:
    if set(a.sweep.manifests) & set(b.sweep.manifests):
        return
    raise ComparisonError(
        f"{a.name} and {b.name} are of other bundles ({_bundles(a)}; {_bundles(b)}): another network "
        "or other weights, so their figures are not comparable; sweep the same bundle twice"
    )


def _bundles(side: Side) -> str:
    return ", ".join(f"{m.get('model')} {digest[:12]}" for digest, m in side.sweep.manifests.items())


def _check_conditions(a: Side, b: Side, names: set[str]) -> None:
    theirs = {p.name: p for p in b.sweep.networks}
    for mine in a.sweep.networks:
        if mine.name not in names:
            continue
        one, other = _requested(mine.requested), _requested(theirs[mine.name].requested)
        differ = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        if differ:
            key = differ[0]
            raise ComparisonError(
                f"network {mine.name} is not the same in {a.name} and {b.name} ({key}: "
                f"{one.get(key)}, {other.get(key)}); to compare them: --networks {mine.name},{mine.name}"
            )


def _requested(requested: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in requested.items() if key != "description" and value not in (None, 0)}


def _why(a: Side, b: Side, across: bool) -> str:
    """The first of what makes a cell in which the two have nothing in common."""
    names = ("bundle", "devices", "cuts", "batch", "depth", "codec", "topology", "threads", "load", "source")
    within = () if across else ("network", "shaping")
    for name in (*names, "precision", *within, "backend", "prefetch", "planted"):
        one, other = (
            {getattr(cell_in_other_names(side, c.cell), name) for c in side.cells()} for side in (a, b)
        )
        if not one & other:
            return f"{name} {_shown(one)} in the one, {_shown(other)} in the other"
    return "no two of them are alike in everything"


def _shown(values: set[Any]) -> str:
    if not values:
        return "none"
    texts = sorted(" -> ".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values)
    return ", ".join(texts[:4]) + (" and more" if len(texts) > 4 else "")
