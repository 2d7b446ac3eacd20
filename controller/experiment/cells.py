"""From an experiment, the bundles and the lab to the cells of a sweep."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from controller.errors import ExperimentError, did_you_mean, edgecut_command
from controller.experiment.codec_assignment import check_pairs
from controller.experiment.load import OFFLINE, SINGLE
from controller.experiment.networks import AS_IS
from controller.experiment.planted import check_planted, planted_on
from controller.experiment.schema import Experiment, SplitRule, Splits
from controller.experiment.topology import CONTROLLER, stage_links
from controller.lab.inventory import Lab
from controller.results import CHAIN, SOCKET, Cell, Settings
from exporter.bundle import Bundle, BundleError, RangeError
from worker.wire.codecs import NO_CODEC

_MOST_CELLS = 1_000_000

__all__ = [
    "cell_of",
    "cells_of_network",
    "chain_at",
    "check_batch",
    "cut_sets",
    "label_of",
    "open_bundles",
    "resolve_cut",
]


def open_bundles(names: Sequence[str], folder: Path) -> dict[str, Bundle]:
    """Open the bundles of an experiment, each a folder of `folder`; every digest is checked.

    Raises:
        ExperimentError: One is missing or altered; names it, and the command that makes it.
    """
    bundles = {}
    for name in names:
        path = folder / name
        if not path.is_dir():
            there = sorted(p.parent.name for p in folder.glob("*/manifest.json"))
            hint = did_you_mean(name, there) if there else ""
            raise ExperimentError(
                f"no bundle {path}{hint}; make it with: {edgecut_command('export', name, '--out', path)}"
            )
        try:
            bundles[name] = Bundle.open(path)
        except BundleError as error:
            raise ExperimentError(str(error)) from error
    return bundles


def cells_of_network(
    experiment: Experiment, network: str, bundles: Mapping[str, Bundle], lab: Lab
) -> tuple[Cell, ...]:
    """Every cell that `experiment` wants under `network`, both ends of each split range included.

    Raises:
        ExperimentError: A split or a device that there is not.
        LabError: A placement names a device that the lab does not have.
    """
    grid = experiment.grid(network)
    whole_lab = [device.name for device in lab.devices]
    placements = _placements(experiment, whole_lab, lab)
    named = experiment.threads if isinstance(experiment.threads, dict) else ()
    for name in dict.fromkeys((*itertools.chain(*placements), *named)):
        lab.device(name)
    chained = list(dict.fromkeys(itertools.chain(*placements)))
    for codec in grid.values["codec"]:
        check_pairs(codec, chained, "key 'codecs'")
    check_planted(experiment.planted, [bundles[name] for name in experiment.models], chained)
    cells: dict[str, Cell] = {}
    for (position, placement), name in itertools.product(enumerate(placements), experiment.models):
        bundle = bundles[name]
        for batch in grid.values["batch"]:
            check_batch(bundle, batch)
        splits = (
            _splits(grid.splits, bundle, len(placement))
            if experiment.chains is None
            else [_listed(bundle, list(experiment.chains[position].cuts), len(placement) - 1, "key 'chains'")]
        )
        count = len(placements) * len(experiment.models) * len(splits) * grid.count
        if count > _MOST_CELLS:
            # So many cannot be measured, and listing them would take all memory.
            raise ExperimentError(
                f"{count} cells under one network, more than {_MOST_CELLS}: list fewer values"
            )
        # Untouched links have no shaping.
        shaping = "none" if network == AS_IS else lab.shaping(placement)
        for cuts, settings in itertools.product(splits, grid.settings()):
            cell = cell_of(bundle, placement, cuts, settings, network=network, shaping=shaping)
            cells[cell.id] = cell
    return tuple(cells.values())


def cell_of(
    bundle: Bundle,
    devices: Sequence[str],
    cuts: Sequence[int],
    settings: Settings,
    *,
    network: str = AS_IS,
    shaping: str = "none",
) -> Cell:
    """The cell of a split, in its one canonical form.

    A closed loop of depth 1 is `offline`. A cell without links has no codec and goes over sockets; where
    nothing goes from one device to another, the topology is a chain. Times are planted in its devices alone.
    """
    cell = Cell(
        **asdict(settings),
        model=bundle.manifest.model,
        bundle=bundle.digest,
        precision=bundle.manifest.precision,
        cuts=tuple(cuts),
        label=label_of(bundle, cuts),
        devices=tuple(devices),
        network=network,
        shaping=shaping,
    )
    if cell.load == SINGLE:
        cell = replace(cell, load=OFFLINE, depth=1, role="")
    crossing = [link for link in stage_links(cell, bundle) if link.sender != link.receiver]
    return replace(
        cell,
        codec=cell.codec if any(link.codec != NO_CODEC.name for link in crossing) else NO_CODEC.name,
        topology=cell.topology if any(CONTROLLER not in (k.sender, k.receiver) for k in crossing) else CHAIN,
        backend=cell.backend if crossing else SOCKET,
        planted=planted_on(cell.planted, cell.devices),
    )


def _placements(experiment: Experiment, whole_lab: list[str], lab: Lab) -> Sequence[list[str]]:
    if experiment.chains is not None:
        return [chain.devices for chain in experiment.chains]
    return experiment.placements or _chains(experiment, experiment.devices or whole_lab, lab)


def _chains(experiment: Experiment, devices: list[str], lab: Lab) -> list[list[str]]:
    """All devices, or the first of them for each number of stages."""
    for stages in experiment.stages or ():
        if stages > len(devices):
            raise ExperimentError(
                f"key 'stages' has {stages}, but lab {lab.name!r} has {len(devices)} devices: "
                f"{', '.join(devices)}"
            )
    return [devices[:stages] for stages in experiment.stages or [len(devices)]]


def label_of(bundle: Bundle, cuts: Sequence[int]) -> str:
    """The cuts in words: `stay`, `offload`, or each cut's module and index."""
    if all(cut == bundle.node_count for cut in cuts):
        return "stay"
    if all(cut == 0 for cut in cuts):
        return "offload"
    return " | ".join(f"{bundle.label(cut)} @{cut}" for cut in cuts)


def resolve_cut(bundle: Bundle, cut: int | str, *, place: str) -> int:
    """A cut index, from itself or from the module path that ends there.

    Raises:
        ExperimentError: Out of range, or no such module; the range or the nearest is named.
    """
    try:
        if isinstance(cut, str):
            return bundle.resolve(cut)
        bundle.tensors_at(cut)
    except RangeError as error:
        raise ExperimentError(f"{place}: {error}") from error
    return cut


def chain_at(bundle: Bundle, lab: Lab, at: str, chain: str | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The devices and cuts that `--devices` and `--at` name; without devices, those of the whole lab.

    Raises:
        ExperimentError: The cuts are not in the model, or do not fit the number of devices.
        LabError: No such device.
    """
    devices = tuple(chain.split(",") if chain else (device.name for device in lab.devices))
    for name in devices:
        lab.device(name)
    parts = [part for part in at.split(",") if part]
    cuts = tuple(resolve_cut(bundle, int(part) if part.isdecimal() else part, place="--at") for part in parts)
    if len(cuts) != len(devices) - 1 or list(cuts) != sorted(cuts):
        raise ExperimentError(
            f"--at {at}: {len(devices)} devices ({', '.join(devices)}) need {len(devices) - 1} cuts in the "
            f"order of the graph"
        )
    return devices, cuts


def _splits(splits: Splits, bundle: Bundle, devices: int) -> list[tuple[int, ...]]:
    """Every requested split into `devices` parts, and both ends, without repeats."""
    cuts = devices - 1
    requested: Iterable[tuple[int, ...]]
    if cuts == 0:
        return [()]
    if splits == "equal":
        try:
            requested = [bundle.equal_cuts(devices)]
        except RangeError as error:
            raise ExperimentError(f"key 'splits': {bundle.manifest.model}: {error}") from error
    elif isinstance(splits, str | SplitRule):
        points = cut_sets(bundle)[splits] if isinstance(splits, str) else _by_rule(splits, bundle)
        if math.comb(len(points) + cuts - 1, cuts) > _MOST_CELLS:
            raise ExperimentError(
                f"key 'splits': {bundle.manifest.model} has more than {_MOST_CELLS} such splits over "
                f"{devices} devices; list some"
            )
        requested = itertools.combinations_with_replacement(points, cuts)
    else:
        requested = [_listed(bundle, entry, cuts) for entry in splits]
    ends = [(0,) * cuts, (bundle.node_count,) * cuts]
    return list(dict.fromkeys([*requested, *ends]))


def _by_rule(rule: SplitRule, bundle: Bundle) -> tuple[int, ...]:
    if isinstance(rule.at_most, int):
        return bundle.narrow_cuts(rule.at_most)
    assert isinstance(rule.each, str)
    try:
        return bundle.cuts_after_each(rule.each)
    except RangeError as error:
        raise ExperimentError(f"key 'splits': {bundle.manifest.model}: {error}") from error


def cut_sets(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """A graph's cut points by the names of their sets, without the ends."""
    return {
        "clean": bundle.clean_cuts(),
        "blocks": bundle.block_cuts(),
        "all": tuple(point.index for point in bundle.cut_points),
    }


def _listed(
    bundle: Bundle, entry: int | str | list[int | str], cuts: int, place: str = "key 'splits'"
) -> tuple[int, ...]:
    parts = entry if isinstance(entry, list) else [entry]
    if len(parts) != cuts:
        raise ExperimentError(f"{place}: {entry!r} has {len(parts)} cuts, but {cuts + 1} devices need {cuts}")
    resolved = tuple(resolve_cut(bundle, part, place=place) for part in parts)
    if list(resolved) != sorted(resolved):
        raise ExperimentError(f"{place}: {entry!r} is out of order; list cuts in the order of the graph")
    return resolved


def check_batch(bundle: Bundle, batch: int, *, place: str = "key 'batches'") -> None:
    """See that the graph takes such batches.

    Raises:
        ExperimentError: It was exported with another, fixed one.
    """
    fixed = bundle.manifest.batch
    if isinstance(fixed, int) and batch != fixed:
        raise ExperimentError(
            f"{place}: {bundle.manifest.model} was exported with the fixed batch {fixed}, not {batch}"
        )
