"""`python -m benchmarks bench-plan`: profile, predict, measure, compare."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from benchmarks.figures import Summary, all_hold
from benchmarks.planning.cells import NETWORKS, MeasuredCell, Split, long_chains, measure_cells, two_way
from benchmarks.planning.figures import FIGURES, figures_of, plan_large_lab_s, searches_of
from benchmarks.report import machine_stamp, print_figures, save_report
from controller.console import Screen, duration, output, plain_table
from controller.errors import LabError
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.planning.prediction import Predictor
from controller.profiling.profile import Profile, save_profile
from controller.profiling.profiler import Wanted, take_profile
from controller.profiling.short_runs import ProfilingContext
from controller.results.provenance import now
from exporter.bundle import Bundle

__all__ = ["BenchPlanOptions", "bench_plan"]

_WAIT_S: Final = 5.0
_PLANS: Final = 3
_LONG_CHAINS: Final = 6
"""Splits for each number of devices above two."""
_LONG_CHAIN_CUTS: Final = 20


@dataclass(frozen=True)
class BenchPlanOptions:
    """Options of `bench-plan`.

    Attributes:
        out: Results file.
        trial_s: Approximate seconds of a trial.
        budget_s: Approximate seconds for each device's stages.
        every: Measure only every n-th split, for a quick look.
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
class _Measurements:
    """Measurements so far: cells of two devices, and of longer chains."""

    plan_s: list[float]
    cells: list[MeasuredCell] = field(default_factory=list)
    long_chains: list[MeasuredCell] = field(default_factory=list)
    equal_cuts: dict[str, int] = field(default_factory=dict)
    profiling_s: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Summary]:
        return figures_of(self.cells, self.equal_cuts, self.plan_s, self.long_chains)


def bench_plan(lab: Lab, options: BenchPlanOptions) -> bool:
    """Measure the errors of predictions and plans; print the figures and write them to the results file.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: The lab is not suitable, or the file cannot be written.
    """
    if len(lab.devices) < 2 or lab.shaping([device.name for device in lab.devices]) != "emulated":
        raise LabError(
            f"lab {lab.name!r}: bench-plan needs two devices with emulated links; see docs/planning.md"
        )
    began_s = time.monotonic()
    load_before = os.getloadavg()[0]
    measurements = _Measurements([plan_large_lab_s(seed) for seed in range(_PLANS)])
    with Screen() as screen:
        for path in options.bundles:
            bundle = Bundle.open(path)
            _measure_pair(bundle, lab, options, screen, measurements)
            _save(options.out, measurements, load_before)
            screen.say(f"{bundle.manifest.model} done after {duration(time.monotonic() - began_s)}")
        if len(lab.devices) > 2:
            _measure_long_chains(Bundle.open(options.bundles[0]), lab, options, screen, measurements)
            _save(options.out, measurements, load_before)
    figures = measurements.figures()
    _show(output(), figures, measurements)
    took, profiling = duration(time.monotonic() - began_s), duration(sum(measurements.profiling_s.values()))
    print(f"{options.out} ({took}, of which {profiling} profiling)")
    return all_hold(FIGURES, figures)


def _measure_pair(
    bundle: Bundle, lab: Lab, options: BenchPlanOptions, screen: Screen, measurements: _Measurements
) -> None:
    """Every clean split of the lab's first two devices."""
    pair = msgspec.structs.replace(lab, devices=lab.devices[:2])
    model = bundle.manifest.model
    cuts = (0, *bundle.clean_cuts(), bundle.node_count)
    wanted = Wanted(cuts, budget_s=options.budget_s)
    profile = take_profile(bundle, pair, wanted, screen)
    save_profile(profile, wanted.path(options.out.parent / "profiles", lab.name, model))
    measurements.profiling_s[model] = profile.took_s
    measurements.equal_cuts[model] = bundle.equal_cuts(2)[0]
    splits = two_way([device.name for device in pair.devices], cuts[:: options.every])
    measurements.cells += _measured(bundle, pair, profile, splits, options, screen)


def _measure_long_chains(
    bundle: Bundle, lab: Lab, options: BenchPlanOptions, screen: Screen, measurements: _Measurements
) -> None:
    """A sample of splits over three devices and more: profiling these at every cut would take too long."""
    inner = bundle.clean_cuts()
    cuts = (0, *inner[:: max(1, len(inner) // _LONG_CHAIN_CUTS)], bundle.node_count)
    profile = take_profile(bundle, lab, Wanted(cuts, budget_s=options.budget_s, quick=True), screen)
    measurements.profiling_s[f"{bundle.manifest.model}, {len(lab.devices)} devices"] = profile.took_s
    number = max(1, _LONG_CHAINS // options.every)
    splits = long_chains([device.name for device in lab.devices], cuts, number)
    measurements.long_chains += _measured(bundle, lab, profile, splits, options, screen)


def _measured(
    bundle: Bundle,
    lab: Lab,
    profile: Profile,
    splits: Sequence[Split],
    options: BenchPlanOptions,
    screen: Screen,
) -> list[MeasuredCell]:
    predictors = {name: Predictor(profile, bundle, conditions) for name, conditions in NETWORKS.items()}
    with WorkerPool(lab, [device.name for device in lab.devices], _WAIT_S) as pool:
        context = ProfilingContext(lab, bundle, pool.workers, batch=1, threads=1)
        return measure_cells(
            context,
            predictors,
            splits,
            lambda done, total: screen.step(profile.model, done, total, "cells"),
            trial_s=options.trial_s,
        )


def _save(path: Path, measurements: _Measurements, load_before: float) -> None:
    machine = machine_stamp("bench-plan", load_before)
    save_report(
        _Report(
            measurements.figures(),
            machine,
            now(),
            measurements.cells,
            measurements.long_chains,
            measurements.profiling_s,
        ),
        path,
    )


def _show(console: Console, figures: dict[str, Summary], measurements: _Measurements) -> None:
    print_figures(FIGURES, figures, console)
    by_group = plain_table("median error", "latency", "throughput", "noise", "front found", "with cells")
    for group, (ratio, share) in searches_of(measurements.cells, measurements.equal_cuts).items():
        here = [cell for cell in measurements.cells if (cell.model, cell.network) == group]
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
