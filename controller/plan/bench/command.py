"""`python -m controller bench-plan`: profile, predict, measure, compare."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from controller.crew import Crew
from controller.errors import ControllerError, LabError
from controller.lab import Lab
from controller.plan.bench.cells import NETWORKS, MeasuredCell, measure_cells
from controller.plan.bench.figures import BOUNDS, Summary, figures_of, plan_large_lab_s
from controller.plan.prediction import Predictor
from controller.plan.profile import Profile, profile_path, save_profile
from controller.plan.profiler import Wanted, take_profile
from controller.plan.visits import Ground
from controller.plan.whole_file import write_json
from controller.screen import Screen, duration, output, plain_table
from controller.stamp import now, stamp
from exporter.bundle import Bundle

__all__ = ["BenchAsked", "bench_plan"]

_WAIT_S: Final = 5.0
_PLANS: Final = 3


@dataclass(frozen=True)
class BenchAsked:
    """`controller bench-plan` as it was typed.

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
    profiling_s: dict[str, float]


def bench_plan(lab: Lab, asked: BenchAsked) -> bool:
    """Measure how right predictions and plans are; print the figures and write them.

    Returns:
        Whether every figure is within its bound.

    Raises:
        ControllerError: It cannot be run on this lab, or the file cannot be written.
    """
    if len(lab.devices) < 2 or lab.links([device.name for device in lab.devices]) != "emulated":
        raise LabError(
            f"lab {lab.name!r}: this wants two devices with emulated links; docs/planning.md says how"
        )
    began_s = time.monotonic()
    load_before = os.getloadavg()[0]
    plan_s = [plan_large_lab_s(seed) for seed in range(_PLANS)]
    cells: list[MeasuredCell] = []
    profiling_s: dict[str, float] = {}
    equal_cuts: dict[str, int] = {}
    with Screen() as screen:
        for path in asked.bundles:
            bundle = Bundle.open(path)
            model = bundle.manifest.model
            profile = _profiled(bundle, lab, asked, screen)
            profiling_s[model] = profile.took_s
            equal_cuts[model] = bundle.equal_cuts(2)[0]
            cells += _measured(bundle, lab, profile, asked, screen)
            _save(
                asked.out,
                _Report(
                    figures_of(cells, equal_cuts, plan_s), _machine(load_before), now(), cells, profiling_s
                ),
            )
            screen.say(f"{model} done after {duration(time.monotonic() - began_s)}")
    figures = figures_of(cells, equal_cuts, plan_s)
    _show(output(), figures, cells)
    took, profiling = duration(time.monotonic() - began_s), duration(sum(profiling_s.values()))
    print(f"{asked.out} ({took}; profiling {profiling} of it)")
    return all(_holds(key, summary) is not False for key, summary in figures.items())


def _profiled(bundle: Bundle, lab: Lab, asked: BenchAsked, screen: Screen) -> Profile:
    cuts = (0, *bundle.clean_cuts(), bundle.node_count)
    profile = take_profile(bundle, lab, Wanted(cuts, budget_s=asked.budget_s), screen)
    path = profile_path(asked.out.parent / "profiles", lab=lab.name, model=profile.model, batch=1, threads=1)
    save_profile(profile, path)
    return profile


def _measured(
    bundle: Bundle, lab: Lab, profile: Profile, asked: BenchAsked, screen: Screen
) -> list[MeasuredCell]:
    predictors = {name: Predictor(profile, bundle, conditions) for name, conditions in NETWORKS.items()}
    names = [device.name for device in lab.devices]
    with Crew(lab, names, _WAIT_S) as crew:
        ground = Ground.of(lab, bundle, crew.workers, batch=1, threads=1)
        return measure_cells(
            ground,
            predictors,
            lambda done, total: screen.step(profile.model, done, total, "cells"),
            trial_s=asked.trial_s,
            every=asked.every,
        )


def _machine(load_before: float) -> dict[str, Any]:
    load = {"load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2)}
    return {**stamp("bench-plan"), **load}


def _save(path: Path, report: _Report) -> None:
    try:
        write_json(path, report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be written ({error.strerror}); give --out another") from error


def _show(console: Console, figures: dict[str, Summary], cells: Sequence[MeasuredCell]) -> None:
    table = plain_table("figure", "value", "low to high", "must be", "holds")
    for key, summary in figures.items():
        side, bound = BOUNDS[key]
        holds = {True: "yes", False: "NO", None: ""}[_holds(key, summary)]
        between = f"{summary.low:.4g} to {summary.high:.4g} (n={summary.n})"
        table.add_row(
            key, f"{summary.median:.4g}", between, "" if bound is None else f"{side} {bound:g}", holds
        )
    console.print(table)
    by_group = plain_table("median error", "latency", "throughput", "noise")
    for group in dict.fromkeys((cell.model, cell.network) for cell in cells):
        here = [cell for cell in cells if (cell.model, cell.network) == group]
        by_group.add_row(
            ", ".join(group),
            _percent([cell.error for cell in here if cell.depth == 1]),
            _percent([cell.error for cell in here if cell.depth > 1]),
            _percent([cell.noise for cell in here]),
        )
    console.print(by_group)


def _percent(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.1%}" if values else "-"


def _holds(key: str, summary: Summary) -> bool | None:
    side, bound = BOUNDS[key]
    if bound is None:
        return None
    return summary.median <= bound if side == "at most" else summary.median >= bound
