"""What a sweep would do: cells, bytes, time."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.agenda import Agenda
from controller.device import query
from controller.errors import DeviceError
from controller.estimate import Estimate
from controller.pipeline import route
from controller.remaining import Remaining
from controller.screen import duration, output, plain_table
from controller.store import Results
from exporter.bundle import Bundle, run_chain

__all__ = ["dry_run", "show_dry_run"]

_TIMED_SAMPLES = 32
_DELIVERED = ("manifest.json", "weights.bin", "shards.zip", "samples.npz")


def dry_run(agenda: Agenda, profiles: Sequence[str], results: Path) -> dict[str, Any]:
    """Say what a sweep of these profiles would do, and what of it is in `results` already.

    The time is estimated from the model's speed here and the slowdown of the devices that answer.

    Raises:
        StoreError: `results` is there, but of another experiment, or no results file.
    """
    experiment = agenda.experiment
    remaining = _remaining(agenda, results)
    estimate = Estimate(
        experiment, agenda.lab, agenda.bundles, agenda.network_profiles, _whole_model_s(agenda)
    )
    per_profile = []
    for name in profiles:
        cells = agenda.cells[name]
        payload_bytes = sum(
            link.payload_bytes * (experiment.warmup + experiment.trials * experiment.requests_at(cell.depth))
            for cell in cells
            for link in route(cell, agenda.bundles[cell.bundle])
            if link.sender != link.receiver
        )
        per_profile.append(
            {
                "name": name,
                "devices": agenda.devices(name),
                "cells": len(cells),
                "trials": len(cells) * experiment.trials,
                "missing_trials": remaining.count(cells),
                "complete": not remaining.anything(cells),
                "payload_bytes": payload_bytes,
                "codecs": sorted({cell.codec for cell in cells}),
                "estimated_s": round(estimate.left_s(cells), 1),
            }
        )
    return {
        "name": experiment.name,
        "lab": agenda.lab.name,
        "devices": [device.name for device in agenda.lab.devices],
        "profiles": list(profiles),
        "network_profiles": str(agenda.network_profiles_file.absolute()),
        "on_failure": experiment.on_failure,
        "bundles": [
            {
                "model": bundle.manifest.model,
                "path": str(bundle.path),
                "digest": bundle.digest,
                "delivered_bytes": sum((bundle.path / name).stat().st_size for name in _DELIVERED),
            }
            for bundle in agenda.bundles.values()
        ],
        "cells": sum(part["cells"] for part in per_profile),
        "by_profile": per_profile,
    }


def show_dry_run(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what `dry_run` found."""
    if as_json:
        print(json.dumps(found, indent=1))
        return
    console = output()
    console.print(f"experiment {found['name']} on lab {found['lab']}: {', '.join(found['devices'])}")
    coded = any(part["codecs"] != ["none"] for part in found["by_profile"])
    payload = "payload before codecs" if coded else "payload on links"
    table = plain_table("network profile", "cells", "trials", "missing", payload, "estimated time")
    for part in found["by_profile"]:
        table.add_row(
            part["name"],
            str(part["cells"]),
            str(part["trials"]),
            str(part["missing_trials"]),
            f"{part['payload_bytes'] / 1e6:.1f} MB",
            duration(part["estimated_s"]),
        )
    console.print(table)
    if coded:
        choices = dict.fromkeys(choice for part in found["by_profile"] for choice in part["codecs"])
        console.print(f"codecs: {', '.join(choices)}", soft_wrap=True)
    for bundle in found["bundles"]:
        console.print(
            f"{bundle['model']}: {bundle['delivered_bytes'] / 1e6:.1f} MB to each device that lacks it "
            f"({bundle['path']})"
        )


def _remaining(agenda: Agenda, path: Path) -> Remaining:
    if not path.exists():
        return Remaining(agenda, None)
    with Results.open(path) as results:
        results.check_experiment(agenda.text)
        return Remaining(agenda, results)


def _whole_model_s(agenda: Agenda) -> dict[tuple[str, str], float]:
    slowdown = {}
    for device in agenda.lab.devices:
        try:
            slowdown[device.name] = query(device, timeout_s=1.0).slowdown
        except DeviceError:
            slowdown[device.name] = 1.0
    here_s = {digest: _seconds_here(bundle) for digest, bundle in agenda.bundles.items()}
    return {(digest, name): here_s[digest] * factor for digest in here_s for name, factor in slowdown.items()}


def _seconds_here(bundle: Bundle) -> float:
    """Seconds for one sample of the whole model on this machine."""
    batch = bundle.manifest.batch if isinstance(bundle.manifest.batch, int) else 1
    samples = bundle.samples()
    count = max(batch, min(samples.count, _TIMED_SAMPLES) // batch * batch)
    inputs = {name: array[:count] for name, array in samples.inputs.items()}
    started = time.perf_counter()
    run_chain(bundle, (), inputs, batch=batch)
    return (time.perf_counter() - started) / count
