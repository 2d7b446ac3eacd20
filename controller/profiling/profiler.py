"""Profile a lab: stages device by device, then links, then messages between pairs."""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from controller.console import Progress, duration
from controller.errors import DeviceError
from controller.experiment.networks import Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.lab.worker_pool import WorkerPool
from controller.links import probe_path
from controller.profiling.calibration import calibrate
from controller.profiling.codecs import profile_codecs
from controller.profiling.profile import FORMAT, DeviceProfile, LinkProfile, Profile, Settings, save_profile
from controller.profiling.short_runs import ProfilingContext, ShortRun, requests_in, rounds
from controller.results import Link, Trial
from controller.results.provenance import now
from exporter.bundle import Bundle
from worker.wire.messages import DeviceInfo, SampleTelemetry

__all__ = ["BY_DEVICE", "ProfileRequest", "alike_or_each", "complete_profile", "settings_of", "take_profile"]

BY_DEVICE: Final = 0
"""Replaces a device profile's number of threads where each device's settings hold its own."""

_ROUNDS: Final = 3
_ROUNDS_QUICK: Final = 2
_WARMUP: Final = 2
_REQUESTS_FEWEST, _REQUESTS_MOST = 3, 15
_BUILD_S: Final = 0.1
_WAIT_S: Final = 5.0
_TELEMETRY_S: Final = 5.0

# The settings that a device's figures depend on. The rest of its stamp (temperature, clock, congestion
# control) varies by itself or affects links alone.
_SETTINGS: Final = (
    "device",
    "slowdown",
    "python",
    "numpy",
    "onnxruntime",
    "onnxruntime_options",
    "machine",
    "host",
    "processor",
    "gpu",
    "gpu_driver",
    "cores",
    "memory_bytes",
    "governor",
    "pinned_cores",
)


@dataclass(frozen=True)
class ProfileRequest:
    """A requested device profile.

    Attributes:
        cuts: Positions to time stages at, from 0 to the node count.
        budget_s: Approximate seconds for timing one device's stages.
        threads: ONNX Runtime threads of a stage: one number, or by device.
        quick: Fewer repetitions, and messages out of the first device alone: about a third of the time, less
            certain.
    """

    cuts: tuple[int, ...]
    batch: int = 1
    threads: int | Mapping[str, int] = 1
    budget_s: float = 40.0
    quick: bool = False

    def is_too_quick(self, profile: Profile) -> bool:
        """Whether this request is for a full device profile and the given one is quick."""
        return profile.quick and not self.quick

    @property
    def common_threads(self) -> int:
        """The device profile's number of threads; `BY_DEVICE` where devices differ."""
        return self.threads if isinstance(self.threads, int) else BY_DEVICE

    def path(self, folder: Path, lab: str, model: str) -> Path:
        """The path of the device profile in its folder."""
        threads = self.common_threads or "-by-device"
        return folder / f"{lab}-{model}-batch{self.batch}-threads{threads}.json"

    def settings(self, info: DeviceInfo) -> Settings:
        """The settings that a device's figures depend on; its threads too, where devices differ."""
        if isinstance(self.threads, int):
            return settings_of(info)
        return settings_of(info) | {"threads": self.threads[info.name]}

    def rounds(self, whole_s: float) -> int:
        """The number of rounds over every stage: fewer than usual for a slow model."""
        once_s = len(self.cuts) * (_BUILD_S + (_WARMUP + 1 + _REQUESTS_FEWEST) * whole_s)
        return min(max(int(self.budget_s / once_s), 1), _ROUNDS_QUICK if self.quick else _ROUNDS)


def settings_of(info: DeviceInfo) -> Settings:
    """The settings that a device's figures depend on."""
    settings = {key: info.stamp.get(key) for key in _SETTINGS}
    settings |= {"kind": info.kind, "provider": info.provider}
    # The lab's key costs nothing once a connection is open; encryption costs every byte.
    return settings | {"security": "tls"} if info.stamp.get("security") == "tls" else settings


def take_profile(bundle: Bundle, lab: Lab, request: ProfileRequest, screen: Progress) -> Profile:
    """Measure every device and every link of a lab.

    Raises:
        DeviceError: A device does not answer.
        TrialVoid: A device was lost, or computes wrong results.
    """
    began_s = time.monotonic()
    names = [device.name for device in lab.devices]
    with WorkerPool(lab, names, _WAIT_S) as pool:
        context = ProfilingContext(lab, bundle, pool.workers, batch=request.batch, threads=request.threads)
        devices = {name: _device(context, name, request, _stepper(screen, name)) for name in names}
        # Of an emulated link nothing is predicted from how it is by itself.
        are_probed = lab.shaping(names) != "emulated" or not request.quick
        links = _links(pool.workers, names, screen) if are_probed else ()
        profile = Profile(
            format=FORMAT,
            lab=lab.name,
            model=bundle.manifest.model,
            bundle=bundle.digest,
            batch=request.batch,
            threads=request.common_threads,
            shaping=lab.shaping(names),
            cuts=request.cuts,
            taken_at=now(),
            took_s=0.0,
            devices=devices,
            links=links,
            pairs=(),
            quick=request.quick,
        )
        slowest_s = max(device.prefix_s[-1] for device in devices.values())
        # A cell of two devices has more requests than a stage alone.
        number = max(request.rounds(slowest_s) - 1, 1)
        profile = calibrate(context, profile, _stepper(screen, "messages"), number=number)
    return msgspec.structs.replace(profile, took_s=round(time.monotonic() - began_s, 1))


def with_codecs(
    profile: Profile,
    bundle: Bundle,
    lab: Lab,
    request: ProfileRequest,
    names: Sequence[str],
    screen: Progress,
) -> Profile:
    """Add these codecs' costs and savings to a device profile.

    Raises:
        ControllerError: This machine lacks a codec.
        DeviceError: A device does not answer, or lacks a codec.
        TrialVoid: A device was lost.
    """
    with WorkerPool(lab, list(profile.devices), _WAIT_S) as pool:
        pool.require_codecs(
            Link(sender, receiver, 0, name)
            for name in names
            for sender, receiver in itertools.permutations(profile.devices, 2)
        )
        context = ProfilingContext(lab, bundle, pool.workers, batch=request.batch, threads=request.threads)
        return profile_codecs(context, profile, names, _stepper(screen, "codecs"))


def complete_profile(
    profile: Profile | None,
    bundle: Bundle,
    lab: Lab,
    devices: Sequence[str],
    request: ProfileRequest,
    codecs: Sequence[str],
    screen: Progress,
    path: Path,
    *,
    is_saved: bool = True,
) -> Profile:
    """Take a device profile where there is none, then add the codecs that it lacks.

    Args:
        devices: Those to profile.
        path: Its file.
        is_saved: Whether to write it there.

    Raises:
        ControllerError: As `take_profile` and `with_codecs`; or the file is not writable.
    """
    if profile is None:
        part = msgspec.structs.replace(lab, devices=tuple(lab.device(name) for name in devices))
        profile = take_profile(bundle, part, request, screen)
        if is_saved:
            save_profile(profile, path)
        screen.say(f"profiled in {duration(profile.took_s)}: {path}")
    if missing := [name for name in codecs if name not in profile.codecs]:
        profile = with_codecs(profile, bundle, lab, request, missing, screen)
        if is_saved:
            save_profile(profile, path)
        screen.say(f"codecs measured: {', '.join(missing)}")
    return profile


def alike_or_each(numbers: Mapping[str, int]) -> int | Mapping[str, int]:
    """One number of threads where all devices have the same, 1 without devices; else each device's own."""
    alike = set(numbers.values()) or {1}
    return alike.pop() if len(alike) == 1 else numbers


def _stepper(screen: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: screen.step(what, done, total, "profiling")


def _device(
    context: ProfilingContext, name: str, request: ProfileRequest, step: Callable[[int, int], None]
) -> DeviceProfile:
    worker = context.workers[name]
    idle_bytes = _idle_bytes(worker)
    taken_at = now()
    # A first look sends the bundle and shows how many requests the budget allows.
    look = ShortRun((name, name), request.cuts[-1], depth=1, requests=3, warmup=_WARMUP, conditions=Network())
    whole_s = float(np.median(context.run(look).records[0]["compute_s"]))
    number = request.rounds(whole_s)
    each_s = request.budget_s / (number * len(request.cuts)) - _BUILD_S
    # Loading the stages takes one run more.
    timed_s = each_s - (_WARMUP + 1) * whole_s
    requests = requests_in(timed_s, whole_s, fewest=_REQUESTS_FEWEST, most=_REQUESTS_MOST)
    short_runs = [replace(look, cut=cut, requests=requests) for cut in request.cuts]
    results = rounds(context, short_runs, number, name, step)
    prefix_s: list[float] = [0.0]
    suffix_s: list[float] = []
    spreads: list[float] = []
    for cut in request.cuts:
        trials = results[replace(look, cut=cut, requests=requests)]
        for start, times_s in _times_s(trials).items():
            median_s, spread = _middle(times_s)
            (suffix_s if start == cut else prefix_s).append(median_s)
            spreads.append(spread)
    suffix_s.append(0.0)
    return DeviceProfile(
        settings=request.settings(worker.info),
        taken_at=taken_at,
        prefix_s=tuple(prefix_s),
        suffix_s=tuple(suffix_s),
        requests=requests * number,
        spread=statistics.median(spreads),
        idle_bytes=idle_bytes,
    )


def _times_s(trials: list[Trial]) -> dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Each stage's compute times, by its first node."""
    return {
        hop.start: np.concatenate([trial.records[i]["compute_s"] for trial in trials])
        for i, hop in enumerate(trials[0].hops)
    }


def _middle(times_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    low_s, median_s, high_s = np.quantile(times_s, [0.25, 0.5, 0.75]).tolist()
    return median_s, (high_s - low_s) / 2 / median_s


def _idle_bytes(worker: ClaimedWorker) -> int:
    deadline_s = time.monotonic() + _TELEMETRY_S
    while time.monotonic() < deadline_s:
        samples = worker.ask(SampleTelemetry(), timeout_s=_TELEMETRY_S).samples
        if samples:
            last = samples[-1]
            return last.process_rss_bytes if last.process_memory_bytes is None else last.process_memory_bytes
        time.sleep(0.1)
    raise DeviceError(worker.name, f"sent no telemetry within {_TELEMETRY_S:g} s; restart its worker")


def _links(
    workers: Mapping[str, ClaimedWorker], names: list[str], screen: Progress
) -> tuple[LinkProfile, ...]:
    pairs = [(sender, receiver) for sender in names for receiver in names if sender != receiver]
    links = []
    for done, (sender, receiver) in enumerate(pairs, start=1):
        round_trip_s, rate_mbit = probe_path(workers[sender], workers[receiver])
        links.append(
            LinkProfile(sender=sender, receiver=receiver, round_trip_s=round_trip_s, rate_mbit=rate_mbit)
        )
        screen.step("links", done, len(pairs), f"{sender} -> {receiver}")
    return tuple(links)
