"""What a sweep would do: cells, bytes, time."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.console import duration, plain_table, show, show_json, show_table
from controller.experiment.resolve import ResolvedExperiment
from controller.experiment.topology import route
from controller.lab.worker_client import query_all
from controller.results import Cell, Results, Saturation
from controller.sweep.eta import TimeEstimate
from controller.sweep.search.budget import TimeBudget
from controller.sweep.search.candidates import candidates_of
from controller.sweep.search.order import make_order
from controller.sweep.search.predicted import most_candidates
from controller.sweep.search.profiling import missing_profiles, stored_profiles
from controller.sweep.todo import PendingWork
from exporter.bundle import Bundle, run_chain

__all__ = ["dry_run", "show_dry_run"]

_TIMED_SAMPLES = 32
_DELIVERED = ("manifest.json", "weights.bin", "shards.zip", "samples.npz")


def dry_run(
    resolved: ResolvedExperiment, networks: Sequence[str], results: Path, budget: TimeBudget | None
) -> dict[str, Any]:
    """Report what a sweep of these networks would run, and how much of it `results` already has.

    The time is estimated from the model's speed here and the slowdown of the devices that answer. Of
    cells that are chosen as they are measured, it is all that may be chosen.

    Raises:
        StoreError: `results` is another experiment's, no results file, or has a bad trial: the sweep would
            refuse it, too.
    """
    with Results.open(results) if results.exists() else nullcontext() as stored:
        raised = False
        if stored is not None:
            wanted = resolved.experiment.trials_wanted
            raised = stored.check_experiment(resolved.text, resolved.rest, wanted)
            stored.refuse_bad_trials()
        return _dry_run(resolved, networks, stored, budget, raised=raised)


def _dry_run(
    resolved: ResolvedExperiment,
    networks: Sequence[str],
    results: Results | None,
    budget: TimeBudget | None,
    *,
    raised: bool,
) -> dict[str, Any]:
    experiment = resolved.experiment
    pending = PendingWork(resolved, results, raised=raised)
    unprofiled = missing_profiles(resolved, stored_profiles(results) if results else {})
    estimate = TimeEstimate(
        experiment, resolved.lab, resolved.bundles, resolved.networks, _whole_model_s(resolved)
    )
    wanted, per_network = pending.wanted, []
    depths = {found.cell: found.depth for found in results.rows(Saturation)} if results else {}
    for name in networks:
        cells = _may_be_run(resolved, name, pending, results, known=not unprofiled)
        payload_bytes = sum(
            link.payload_bytes * wanted.most * (experiment.warmup + experiment.requests_of(cell))
            for cell in (estimate.at_its_depth(replace(c, depth=depths.get(c.id, c.depth))) for c in cells)
            for link in route(cell, resolved.bundles[cell.bundle])
            if link.sender != link.receiver
        )
        per_network.append(
            {
                "name": name,
                "devices": resolved.devices(name),
                "cells": len(cells),
                "trials": len(cells) * wanted.most,
                "least_trials": len(cells) * wanted.least,
                "missing_trials": sum(map(pending.at_most, cells)),
                "complete": not unprofiled and not pending.anything(cells),
                "payload_bytes": payload_bytes,
                "is_payload_estimated": any(not c.depth and c.id not in depths for c in cells),
                "codecs": sorted({cell.codec for cell in cells}),
                "cells_in_all": len(resolved.cells[name]),
                "estimated_s": round(estimate.left_s((c, wanted.most) for c in cells), 1),
                "time_budget_s": None,
            }
        )
    _share_out(per_network, budget)
    return {
        "name": experiment.name,
        "lab": resolved.lab.name,
        "devices": [device.name for device in resolved.lab.devices],
        "networks": list(networks),
        "networks_file": str(resolved.networks_file.absolute()),
        "on_failure": experiment.on_failure,
        "search": experiment.search,
        "until": wanted.until,
        "profiling": [
            {
                "model": resolved.bundles[one.key[0]].manifest.model,
                "devices": one.devices,
                "cuts": len(one.cuts),
                "stages_s": one.stages_s * len(one.devices),
            }
            for one in unprofiled
        ],
        "bundles": [
            {
                "model": bundle.manifest.model,
                "path": str(bundle.path),
                "digest": bundle.digest,
                "delivered_bytes": sum((bundle.path / name).stat().st_size for name in _DELIVERED),
            }
            for bundle in resolved.bundles.values()
        ],
        "cells": sum(part["cells"] for part in per_network),
        "by_network": per_network,
    }


def show_dry_run(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a report of `dry_run`."""
    if as_json:
        show_json(report)
        return
    show(f"experiment {report['name']} on lab {report['lab']}: {', '.join(report['devices'])}")
    coded = any(part["codecs"] != ["none"] for part in report["by_network"])
    payload = "payload before codecs" if coded else "payload on links"
    table = plain_table("network", "cells", "trials", "missing", payload, "estimated time")
    for part in report["by_network"]:
        table.add_row(
            part["name"],
            str(part["cells"]),
            str(part["trials"]),
            str(part["missing_trials"]),
            f"{'about ' * part['is_payload_estimated']}{part['payload_bytes'] / 1e6:.1f} MB",
            duration(part["estimated_s"]),
        )
    show_table(table)
    for line in _of_choosing(report):
        show(line)
    if coded:
        choices = dict.fromkeys(choice for part in report["by_network"] for choice in part["codecs"])
        show(f"codecs: {', '.join(choices)}")
    for bundle in report["bundles"]:
        show(
            f"{bundle['model']}: {bundle['delivered_bytes'] / 1e6:.1f} MB to each device that lacks it "
            f"({bundle['path']})"
        )


def _of_choosing(report: Mapping[str, Any]) -> list[str]:
    """What to know where not all cells are run, or not all trials."""
    lines = []
    if report["until"] is not None:
        least = sum(part["least_trials"] for part in report["by_network"])
        lines.append(
            f"trials, payload and time are the most that it may take; at least {least} trials, and more "
            f"until answers are {100 * report['until']:g} % sure"
        )
    if report["search"] == "planned":
        in_all = sum(part["cells_in_all"] for part in report["by_network"])
        lines.append(
            f"search: planned; at most {report['cells']} of {in_all} cells, fewer once the front is stable"
        )
    for one in report["profiling"]:
        lines.append(
            f"{one['model']} must be profiled first, unless a matching device profile exists: "
            f"{one['cuts']} cuts on {', '.join(one['devices'])}, about {duration(one['stages_s'])} "
            f"and as much for messages"
        )
    for part in report["by_network"]:
        if part["time_budget_s"] is not None:
            time = duration(part["time_budget_s"])
            lines.append(f"time budget of {part['name']}: {time}; the most promising cells first")
    return lines


def _share_out(per_network: Sequence[dict[str, Any]], budget: TimeBudget | None) -> None:
    """Give each network of which something is missing an equal part of a time budget."""
    unfinished = [part for part in per_network if not part["complete"]]
    if budget is None:
        return
    for part in unfinished:
        part["time_budget_s"] = round(budget.seconds / len(unfinished), 1)
        part["estimated_s"] = min(part["estimated_s"], part["time_budget_s"])


def _may_be_run(
    resolved: ResolvedExperiment, name: str, pending: PendingWork, results: Results | None, *, known: bool
) -> Sequence[Cell]:
    """Cells of a network that were run or may be; with `known`, of a planned search as far as it has come."""
    cells = resolved.cells[name]
    if resolved.experiment.search != "planned":
        return cells
    if results is None or not known:
        most = most_candidates(resolved, name)
        return [cell for candidate in candidates_of(cells)[:most] for cell in candidate.cells]
    order = make_order(resolved, name, results, {}, has_budget=False)
    chosen = {cell.id for cell in results.cells()}
    further = [
        cell for cell in (*order.next_cells(lambda _cells: True), *order.ahead()) if cell.id not in chosen
    ]
    return [*(cell for cell in cells if cell.id in chosen), *further]


def _whole_model_s(resolved: ResolvedExperiment) -> dict[tuple[str, str], float]:
    infos = query_all(resolved.lab, timeout_s=1.0, without_absent=True)
    slowdown = {
        device.name: infos[device.name].slowdown if device.name in infos else 1.0
        for device in resolved.lab.devices
    }
    here_s = {digest: _seconds_here(bundle) for digest, bundle in resolved.bundles.items()}
    return {(digest, name): here_s[digest] * factor for digest in here_s for name, factor in slowdown.items()}


def _seconds_here(bundle: Bundle) -> float:
    """Seconds for one sample of the whole model on this machine."""
    batch = bundle.fixed_batch or 1
    samples = bundle.samples()
    count = max(batch, min(samples.count, _TIMED_SAMPLES) // batch * batch)
    inputs = {name: array[:count] for name, array in samples.inputs.items()}
    started = time.perf_counter()
    run_chain(bundle, (), inputs, batch=batch)
    return (time.perf_counter() - started) / count
