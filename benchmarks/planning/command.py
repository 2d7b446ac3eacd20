"""`python -m benchmarks bench-plan`: profile, predict, measure, compare."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from benchmarks.planning.cells import NETWORKS, MeasuredCell, measure_cells
from benchmarks.planning.figures import BOUNDS, Summary, figures_of, plan_large_lab_s, searches_of
from benchmarks.planning.splits import Split, long_chains, two_way
from controller.atomic_file import write_json
from controller.console import Screen, duration, output, plain_table
from controller.errors import ControllerError, LabError
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.planning.prediction import Predictor
from controller.profiling.profile import Profile, profile_path, save_profile
from controller.profiling.profiler import Wanted, take_profile
from controller.profiling.short_runs import ProfilingContext
from controller.results.provenance import now, stamp
from exporter.bundle import Bundle

__all__ = ["BenchPlanOptions", "bench_plan"]

_WAIT_S: Final = 5.0
_PLANS: Final = 3
_LONG_CHAINS: Final = 6
"""Splits that are measured of each number of devices above two."""
_LONG_CHAIN_CUTS: Final = 20


@dataclass(frozen=True)
class BenchPlanOptions:
    """Options of `bench-plan`.

    Attributes:
        out: File of the results.
        trial_s: Seconds that a trial may take, about.
        budget_s: Seconds for the stages of each device, about.
        every: Measure every n-th split only; for a quick look.
    """

    bundles: Sequence[Path]
    out: Path
    trial_s: float
    budget_s: float
    every: int = 1


class _Report(msgspec.Struct, frozen=True):
    figures: dict[str, Summary]
    machine: dict[str, Any]
    taken_at: str
    cells: list[MeasuredCell]
    long_chains: list[MeasuredCell]
    profiling_s: dict[str, float]


@dataclass
class _Found:
    """What was measured so far: cells of two devices, and of chains of more."""

    plan_s: list[float]
    cells: list[MeasuredCell] = field(default_factory=list)
    long_chains: list[MeasuredCell] = field(default_factory=list)
    equal_cuts: dict[str, int] = field(default_factory=dict)
    profiling_s: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Summary]:
        return figures_of(self.cells, self.equal_cuts, self.plan_s, self.long_chains)


def bench_plan(lab: Lab, asked: BenchPlanOptions) -> bool:
    """Measure how right predictions and plans are; print the figures and write them.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: It cannot be run on this lab, or the file cannot be written.
    """
    if len(lab.devices) < 2 or lab.shaping([device.name for device in lab.devices]) != "emulated":
        raise LabError(
            f"lab {lab.name!r}: bench-plan needs two devices with emulated links; see docs/planning.md"
        )
    began_s = time.monotonic()
    load_before = os.getloadavg()[0]
    found = _Found([plan_large_lab_s(seed) for seed in range(_PLANS)])
    with Screen() as screen:
        for path in asked.bundles:
            bundle = Bundle.open(path)
            _measure_pair(bundle, lab, asked, screen, found)
            _save(asked.out, found, load_before)
            screen.say(f"{bundle.manifest.model} done after {duration(time.monotonic() - began_s)}")
        if len(lab.devices) > 2:
            _measure_long_chains(Bundle.open(asked.bundles[0]), lab, asked, screen, found)
            _save(asked.out, found, load_before)
    figures = found.figures()
    _show(output(), figures, found)
    took, profiling = duration(time.monotonic() - began_s), duration(sum(found.profiling_s.values()))
    print(f"{asked.out} ({took}; of which profiling {profiling})")
    return all(_holds(key, summary) is not False for key, summary in figures.items())


def _measure_pair(bundle: Bundle, lab: Lab, asked: BenchPlanOptions, screen: Screen, found: _Found) -> None:
    """Every clean split of the lab's first two devices."""
    pair = msgspec.structs.replace(lab, devices=lab.devices[:2])
    model = bundle.manifest.model
    cuts = (0, *bundle.clean_cuts(), bundle.node_count)
    profile = take_profile(bundle, pair, Wanted(cuts, budget_s=asked.budget_s), screen)
    path = profile_path(asked.out.parent / "profiles", lab=lab.name, model=model, batch=1, threads=1)
    save_profile(profile, path)
    found.profiling_s[model] = profile.took_s
    found.equal_cuts[model] = bundle.equal_cuts(2)[0]
    splits = two_way([device.name for device in pair.devices], cuts[:: asked.every])
    found.cells += _measured(bundle, pair, profile, splits, asked, screen)


def _measure_long_chains(
    bundle: Bundle, lab: Lab, asked: BenchPlanOptions, screen: Screen, found: _Found
) -> None:
    """A sample of splits over three devices and more; to profile so many at every cut would take too long."""
    inner = bundle.clean_cuts()
    cuts = (0, *inner[:: max(1, len(inner) // _LONG_CHAIN_CUTS)], bundle.node_count)
    profile = take_profile(bundle, lab, Wanted(cuts, budget_s=asked.budget_s, quick=True), screen)
    found.profiling_s[f"{bundle.manifest.model}, {len(lab.devices)} devices"] = profile.took_s
    number = max(1, _LONG_CHAINS // asked.every)
    splits = long_chains([device.name for device in lab.devices], cuts, number)
    found.long_chains += _measured(bundle, lab, profile, splits, asked, screen)


def _measured(
    bundle: Bundle,
    lab: Lab,
    profile: Profile,
    splits: Sequence[Split],
    asked: BenchPlanOptions,
    screen: Screen,
) -> list[MeasuredCell]:
    predictors = {name: Predictor(profile, bundle, conditions) for name, conditions in NETWORKS.items()}
    with WorkerPool(lab, [device.name for device in lab.devices], _WAIT_S) as pool:
        context = ProfilingContext.of(lab, bundle, pool.workers, batch=1, threads=1)
        return measure_cells(
            context,
            predictors,
            splits,
            lambda done, total: screen.step(profile.model, done, total, "cells"),
            trial_s=asked.trial_s,
        )


def _machine(load_before: float) -> dict[str, Any]:
    load = {"load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2)}
    return {**stamp("bench-plan"), **load}


def _save(path: Path, found: _Found, load_before: float) -> None:
    report = _Report(
        found.figures(), _machine(load_before), now(), found.cells, found.long_chains, found.profiling_s
    )
    try:
        write_json(path, report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def _show(console: Console, figures: dict[str, Summary], found: _Found) -> None:
    table = plain_table("figure", "value", "low to high", "must be", "holds")
    for key, summary in figures.items():
        side, bound = BOUNDS[key]
        holds = {True: "yes", False: "NO", None: ""}[_holds(key, summary)]
        between = f"{summary.low:.4g} to {summary.high:.4g} (n={summary.n})"
        table.add_row(
            key, f"{summary.median:.4g}", between, "" if bound is None else f"{side} {bound:g}", holds
        )
    console.print(table)
    by_group = plain_table("median error", "latency", "throughput", "noise", "front found", "with cells")
    for group, (ratio, share) in searches_of(found.cells, found.equal_cuts).items():
        here = [cell for cell in found.cells if (cell.model, cell.network) == group]
        by_group.add_row(
            ", ".join(group),
            _percent([cell.error for cell in here if cell.depth == 1]),
            _percent([cell.error for cell in here if cell.depth > 1]),
            _percent([cell.noise for cell in here if cell.noise is not None]),
            f"{ratio:.1%}",
            f"{share:.1%}",
        )
    console.print(by_group)


def _percent(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.1%}" if values else "-"


def _holds(key: str, summary: Summary) -> bool | None:
    side, bound = BOUNDS[key]
    if bound is None:
        return None
    return summary.median <= bound if side == "at most" else summary.median >= bound
