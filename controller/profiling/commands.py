"""The command `controller profile`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from controller.console import Progress, Screen, plain_table, show_json, show_table
from controller.errors import ExperimentError
from controller.experiment.cells import check_batch, cut_sets
from controller.experiment.codec_assignment import choice_of
from controller.lab.inventory import Lab
from controller.lab.worker_client import query_all
from controller.options import (
    DEVICE_PROFILES,
    LAB,
    AsJson,
    Batch,
    BundleFolder,
    DeviceProfiles,
    LabFile,
    ProgressFile,
    Threads,
)
from controller.profiling.profile import Profile, load_profile
from controller.profiling.profiler import ProfileRequest, alike_or_each, complete_profile
from controller.profiling.segments import segments
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import DeviceInfo

__all__ = ["ProfileOptions", "measure_profile", "profile"]


@dataclass(frozen=True, kw_only=True)
class ProfileOptions:
    """The options of `controller profile`."""

    bundle: BundleFolder
    lab: LabFile = LAB
    cuts: Annotated[str, typer.Option(help="Cut points to time stages at: clean, blocks or all.")] = "clean"
    batch: Batch = 1
    threads: Threads = None
    budget: Annotated[float, typer.Option(min=1, help="Approximate seconds per device for its stages.")] = (
        40.0
    )
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions: faster, less certain.")] = False
    device_profiles: DeviceProfiles = DEVICE_PROFILES
    progress: ProgressFile = None
    again: Annotated[
        bool, typer.Option("--again", help="Re-measure even if a matching device profile exists.")
    ] = False
    as_json: AsJson = False
    codecs: Annotated[str, typer.Option(help="Codecs to measure as well, as in uint8,zfp:0.01.")] = ""


def profile(bundle: Bundle, lab: Lab, options: ProfileOptions) -> None:
    """Take a device profile, or show the existing one if it matches; see `measure_profile` for what is
    raised."""
    with Screen(options.progress) as screen:
        measured = measure_profile(bundle, lab, options, screen)
    if options.as_json:
        show_json(_as_json(measured, bundle))
        return
    _show_profile(measured, bundle)


def measure_profile(bundle: Bundle, lab: Lab, options: ProfileOptions, screen: Progress) -> Profile:
    """Take a device profile and store it, or read the existing one if it matches.

    Raises:
        ExperimentError: The cuts are unknown, or the bundle does not take this batch.
        DeviceError: A device does not answer.
    """
    cuts = _cuts(bundle, options.cuts)
    check_batch(bundle, options.batch, place="--batch")
    names = [choice_of(name.strip(), "--codecs") for name in options.codecs.split(",") if name.strip()]
    names = [name for name in dict.fromkeys(names) if name != NO_CODEC.name]
    infos = query_all(lab)
    threads = options.threads or alike_or_each({name: info.threads for name, info in infos.items()})
    request = ProfileRequest(cuts, options.batch, threads, options.budget, options.quick)
    path = request.path(options.device_profiles, lab.name, bundle.manifest.model)
    existing = None if options.again else _reusable(path, bundle, request, infos, screen)
    return complete_profile(existing, bundle, lab, list(infos), request, names, screen, path)


def _cuts(bundle: Bundle, which: str) -> tuple[int, ...]:
    named = cut_sets(bundle)
    if which not in named:
        raise ExperimentError(f"--cuts {which}: choose one of {', '.join(named)}")
    return (0, *named[which], bundle.node_count)


def _reusable(
    path: Path, bundle: Bundle, request: ProfileRequest, infos: Mapping[str, DeviceInfo], screen: Progress
) -> Profile | None:
    if not path.exists():
        return None
    existing = load_profile(path)
    settings = {name: request.settings(info) for name, info in infos.items()}
    why = existing.difference(
        bundle=bundle.digest, batch=request.batch, threads=request.common_threads, settings=settings
    )
    if why is None and existing.cuts != request.cuts:
        why = "other cuts"
    if why is None and set(existing.devices) != set(settings):
        why = "other devices"
    why = f"of {why}" if why else "a quick one" if request.is_too_quick(existing) else None
    screen.say(
        f"device profile {path} is {why}: profiling again"
        if why
        else f"device profile of {existing.taken_at}: {path}"
    )
    return None if why else existing


def _as_json(profile: Profile, bundle: Bundle) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(profile)
    for name, device in profile.devices.items():
        content["devices"][name]["segments"] = [
            msgspec.to_builtins(row) for row in segments(bundle, profile.cuts, device, profile.batch)
        ]
    return content


def _show_profile(profile: Profile, bundle: Bundle) -> None:
    """Print every segment's cost on every device, and the links."""
    names = list(profile.devices)
    by_device = [segments(bundle, profile.cuts, d, profile.batch) for d in profile.devices.values()]
    table = plain_table(
        f"{profile.model}, up to", "nodes", *(f"{name} ms" for name in names), "Mmult-adds", "params",
        "crossing kB", "peak kB",
    )  # fmt: skip
    for rows in zip(*by_device, strict=True):
        row = rows[0]
        table.add_row(
            row.label,
            f"{row.start}-{row.stop}",
            *(f"{each.seconds * 1e3:.3f}" for each in rows),
            f"{row.multiply_adds / 1e6:.2f}",
            f"{row.parameters}",
            f"{row.activation_bytes / 1e3:.1f}",
            f"{row.peak_bytes / 1e3:.1f}",
        )
    show_table(table)
    _show_devices(profile)


def _show_devices(profile: Profile) -> None:
    table = plain_table("device", "whole ms", "spread", "after waiting", "always busy", "slowdown", "idle MB")
    for name, device in profile.devices.items():
        idle_penalty = max((point.factor for point in device.idle_penalty), default=1.0)
        table.add_row(
            name,
            f"{device.prefix_s[-1] * 1e3:.2f}",
            f"+-{device.spread:.0%}",
            f"x {idle_penalty:.2f}",
            f"x {device.as_follower.factor:.2f}",
            f"{device.settings.get('slowdown')}",
            f"{device.idle_bytes / 1e6:.0f}",
        )
    show_table(table)
    if not profile.links:
        return
    beyond = {(pair.source, pair.follower): pair for pair in profile.pairs}
    links = plain_table("link", "round trip ms", "Mbit/s", "message ms", "and per MB")
    for link in profile.links:
        pair = beyond.get((link.sender, link.receiver))
        links.add_row(
            f"{link.sender} -> {link.receiver}",
            f"{link.round_trip_s * 1e3:.3f}",
            f"{link.rate_mbit:.0f}",
            f"{min(pair.fixed_s) * 1e3:.3f} to {max(pair.fixed_s) * 1e3:.3f}"
            if pair and pair.fixed_s
            else "-",
            f"{pair.byte_s * 1e9:.3f}" if pair else "-",
        )
    show_table(links)
