"""`python -m benchmarks bench-plan`: profile, predict, measure, compare."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from benchmarks.figures import Summary, all_hold
from benchmarks.planning.cells import NETWORKS, MeasuredCell, Split, long_chains, measure_cells, two_way
from benchmarks.planning.figures import FIGURES, figures_of, plan_large_lab_s
from benchmarks.planning.searches import comparisons_of
from benchmarks.report import Report, machine_stamp, print_figures, save_report
from controller.console import Screen, duration, plain_table, show, show_table
from controller.errors import LabError
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.planning.prediction import Predictor
from controller.profiling.profile import Profile, save_profile
from controller.profiling.profiler import ProfileRequest, take_profile
from controller.profiling.short_runs import ProfilingContext
from controller.results.provenance import now
from exporter.bundle import Bundle

__all__ = ["BenchPlanOptions", "bench_plan"]

_WAIT_S: Final = 5.0
_PLANS: Final = 3
_LONG_CHAINS: Final = 6
"""Splits for each number of devices above two."""
_FOUND: Final = ("planned", "exhaustive", "ends, equal", "random")
"""Ways to choose splits, by the hypervolume that they find."""
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


class _Report(Report, frozen=True):
    cells: list[MeasuredCell]
    long_chains: list[MeasuredCell]
    profiling_s: dict[str, float]


@dataclass
class _BenchPlan:
    """The benchmark on one lab, with its measurements so far: cells of two devices, and of longer chains."""

    lab: Lab
    options: BenchPlanOptions
    screen: Screen
    plan_s: list[float]
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    cells: list[MeasuredCell] = field(default_factory=list)
    long_chains: list[MeasuredCell] = field(default_factory=list)
    equal_cuts: dict[str, int] = field(default_factory=dict)
    profiling_s: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Summary]:
        return figures_of(self.cells, self.equal_cuts, self.plan_s, self.long_chains, self.profiling_s)

    def measure_pair(self, bundle: Bundle) -> None:
        """Every clean split of the lab's first two devices."""
        pair = msgspec.structs.replace(self.lab, devices=self.lab.devices[:2])
        model = bundle.manifest.model
        cuts = (0, *bundle.clean_cuts(), bundle.node_count)
        request = ProfileRequest(cuts, budget_s=self.options.budget_s)
        profile = take_profile(bundle, pair, request, self.screen)
        save_profile(profile, request.path(self.options.out.parent / "profiles", self.lab.name, model))
        self.profiling_s[model] = profile.took_s
        self.equal_cuts[model] = bundle.equal_cuts(2)[0]
        splits = two_way([device.name for device in pair.devices], cuts[:: self.options.every])
        self.cells += self._measured(bundle, pair, profile, splits)

    def measure_long_chains(self, bundle: Bundle) -> None:
        """A sample of splits over more devices: profiling them at every cut would take too long."""
        inner = bundle.clean_cuts()
        cuts = (0, *inner[:: max(1, len(inner) // _LONG_CHAIN_CUTS)], bundle.node_count)
        request = ProfileRequest(cuts, budget_s=self.options.budget_s, quick=True)
        profile = take_profile(bundle, self.lab, request, self.screen)
        names = [device.name for device in self.lab.devices]
        self.profiling_s[f"{bundle.manifest.model}, {len(names)} devices"] = profile.took_s
        splits = long_chains(names, cuts, max(1, _LONG_CHAINS // self.options.every))
        self.long_chains += self._measured(bundle, self.lab, profile, splits)

    def _measured(
        self, bundle: Bundle, lab: Lab, profile: Profile, splits: Sequence[Split]
    ) -> list[MeasuredCell]:
        predictors = {name: Predictor(profile, bundle, conditions) for name, conditions in NETWORKS.items()}
        with WorkerPool(lab, [device.name for device in lab.devices], _WAIT_S) as pool:
            return measure_cells(
                ProfilingContext(lab, bundle, pool.workers, batch=1, threads=1),
                predictors,
                splits,
                lambda done, total: self.screen.step(profile.model, done, total, "cells"),
                trial_s=self.options.trial_s,
            )

    def save(self) -> None:
        """Write the results file."""
        machine = machine_stamp("bench-plan", self.load_before)
        measured = (self.cells, self.long_chains, self.profiling_s)
        save_report(_Report(self.figures(), machine, now(), *measured), self.options.out)

    def show(self) -> None:
        """Print the figures, then the errors under each network."""
        print_figures(FIGURES, self.figures())
        table = plain_table("", *("latency error", "throughput error", "noise"), *_FOUND, "splits measured")
        for group, line in comparisons_of(self.cells, self.equal_cuts).items():
            here = [cell for cell in self.cells if (cell.model, cell.network) == group]
            found = (line.searched, line.exhaustive, line.ends, line.at_random)
            table.add_row(
                ", ".join(group),
                _median([cell.error for cell in here if cell.depth == 1]),
                _median([cell.error for cell in here if cell.depth > 1]),
                _median([cell.noise for cell in here]),
                *(f"{share:.1%}" for share in found),
                f"{line.share:.1%}",
            )
        show_table(table)


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
    plan_s = [plan_large_lab_s(seed) for seed in range(_PLANS)]
    with Screen() as screen:
        bench = _BenchPlan(lab, options, screen, plan_s)
        for path in options.bundles:
            bundle = Bundle.open(path)
            bench.measure_pair(bundle)
            bench.save()
            screen.say(f"{bundle.manifest.model} done after {duration(time.monotonic() - began_s)}")
        if len(lab.devices) > 2:
            bench.measure_long_chains(Bundle.open(options.bundles[0]))
            bench.save()
    bench.show()
    took, profiling = duration(time.monotonic() - began_s), duration(sum(bench.profiling_s.values()))
    show(f"{options.out} ({took}, of which {profiling} profiling)")
    return all_hold(FIGURES, bench.figures())


def _median(values: Sequence[float]) -> str:
    return f"{median(values):.1%}" if values else "-"
