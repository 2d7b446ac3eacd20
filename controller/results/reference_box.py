"""The reference box of hypervolumes: from the worst of ends and baselines to zero."""

import statistics
from collections.abc import Collection, Iterable

from controller.results.metrics import latency_s, period_s
from controller.results.pareto import Point, corner_of
from controller.results.reading import Results
from controller.results.rows import OFFLINE, BaselineTrial, Cell, ReferenceBox

__all__ = ["reference_boxes"]


def reference_boxes(results: Results, networks: Collection[str]) -> list[ReferenceBox]:
    """The box of each bundle under each of these networks.

    An end counts with its latency at its least depth and its best throughput, a baseline with its batches one
    after the other. There is no box where an end, or the baseline of one of its devices, has no trial, and
    where a search left out one of the two ends: it would be smaller than that of the whole sweep.
    """
    node_counts = {digest: int(manifest["node_count"]) for digest, manifest in results.bundles().items()}
    baselines: dict[tuple[str, str], list[BaselineTrial]] = {}
    for trial in results.rows(BaselineTrial):
        baselines.setdefault((trial.bundle, trial.network), []).append(trial)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in results.cells():
        if cell.network in networks and cell.load == OFFLINE:
            groups.setdefault((cell.bundle, cell.network), []).append(cell)
    boxes = []
    for (bundle, network), cells in groups.items():
        # A cell of one device, which has no cuts, is an end too.
        required = {0, node_counts[bundle]} if any(cell.cuts for cell in cells) else set()
        ends = [cell for cell in cells if len(set(cell.cuts)) <= 1 and required.issuperset(cell.cuts)]
        points = [*_of_ends(results, ends), *_of_baselines(baselines.get((bundle, network), ()), ends)]
        known = [point for point in points if point is not None]
        if len(known) == len(points) and {cut for cell in ends for cut in cell.cuts} == required:
            boxes.append(ReferenceBox(bundle, network, *corner_of(known)))
    return boxes


def _of_ends(results: Results, cells: Iterable[Cell]) -> list[Point | None]:
    """A point for each split, whose cells differ in depth; None where one has no trial."""
    splits: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.depth_key):
        splits.setdefault(cell.split_id, []).append(cell)
    return [_of_end(results, depths) for depths in splits.values()]


def _of_end(results: Results, depths: Iterable[Cell]) -> Point | None:
    latencies_s, samples_s = [], []
    for cell in depths:
        trials = list(results.trials(cell.id))
        if not trials:
            return None
        latencies_s.append(statistics.median(latency_s(trial) for trial in trials))
        samples_s.append(statistics.median(period_s(trial) / cell.batch for trial in trials))
    return latencies_s[0], min(samples_s)


def _of_baselines(trials: Iterable[BaselineTrial], cells: Iterable[Cell]) -> list[Point | None]:
    """A point for each device, batch and number of threads; None for a device of these cells without one."""
    groups: dict[str, dict[tuple[int, int], list[BaselineTrial]]] = {
        device: {} for cell in cells for device in cell.devices
    }
    for trial in trials:
        if trial.device in groups:
            groups[trial.device].setdefault((trial.batch, trial.threads), []).append(trial)
    points: list[Point | None] = []
    for alike in groups.values():
        points += [_of_baseline(repeats) for repeats in alike.values()] or [None]
    return points


def _of_baseline(trials: Iterable[BaselineTrial]) -> Point:
    times = [(statistics.median(t.compute_s), statistics.fmean(t.compute_s) / t.batch) for t in trials]
    return statistics.median(latency for latency, _ in times), statistics.median(each for _, each in times)
