"""`controller profile` and `controller plan`, once their arguments are read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from controller.console import Screen, duration, output, plain_table
from controller.errors import DeviceError, ExperimentError, PlanError
from controller.experiment.cells import chain_at, check_batch
from controller.experiment.codec_assignment import choice_of
from controller.experiment.networks import AS_IS, NetworkProfile, find_profile, load_network_profiles
from controller.lab.inventory import Lab
from controller.lab.worker_client import query
from controller.planning.baselines import named_baselines
from controller.planning.chooser import Chooser
from controller.planning.constraints import OBJECTIVES, Objective
from controller.planning.experiment_file import write_experiment
from controller.planning.options import PlanAsked, limits_of
from controller.planning.prediction import Prediction, Predictor
from controller.planning.problem import Plan
from controller.planning.tables import (
    Candidate,
    show_devices_worth,
    show_plans,
    show_profile,
    stages_of,
)
from controller.profiling.profile import Profile, load_profile, profile_path, save_profile
from controller.profiling.profiler import Wanted, take_profile, with_codecs
from controller.profiling.segments import stretches
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import DeviceInfo

__all__ = ["PlanAsked", "ProfileAsked", "plan", "profile", "show_given"]

_ANSWER_S = 1.0


@dataclass(frozen=True)
class ProfileAsked:
    """`controller profile` as it was typed."""

    cuts: str
    batch: int
    threads: int | None
    budget_s: float
    quick: bool
    folder: Path
    progress: Path | None
    again: bool
    as_json: bool
    codecs: str = ""


def profile(bundle: Bundle, lab: Lab, asked: ProfileAsked) -> None:
    """Take a profile, or show the one that is there if it still fits.

    Raises:
        ExperimentError: No such cuts, or a batch that the bundle does not take.
        DeviceError: A device is not there.
    """
    cuts = _cuts(bundle, asked.cuts)
    check_batch(bundle, asked.batch, asked_by="--batch")
    names = [choice_of(name.strip(), "--codecs") for name in asked.codecs.split(",") if name.strip()]
    names = [name for name in dict.fromkeys(names) if name != NO_CODEC.name]
    security = lab.load_security()
    threads = _threads(asked.threads, {device.name: query(device, security) for device in lab.devices})
    wanted = Wanted(cuts, asked.batch, threads, asked.budget_s, asked.quick)
    path = _path(asked.folder, lab, bundle, wanted)
    with Screen(asked.progress) as screen:
        found = None if asked.again else _reusable(path, bundle, lab, wanted, screen)
        if found is None:
            found = take_profile(bundle, lab, wanted, screen)
            save_profile(found, path)
            screen.say(f"profiled in {duration(found.took_s)}: {path}")
        missing = [name for name in names if name not in found.codecs]
        if missing:
            found = with_codecs(found, bundle, lab, wanted, missing, screen)
            save_profile(found, path)
            screen.say(f"codecs measured: {', '.join(missing)}")
    if asked.as_json:
        print(json.dumps(_as_json(found, bundle), indent=1))
        return
    show_profile(output(), found, bundle)


def plan(bundle: Bundle, lab: Lab, asked: PlanAsked) -> None:
    """Print the plan for an objective, what it gains over the baselines, and how many devices are worth it.

    With cuts, print what that one split is predicted to do.

    Raises:
        PlanError: There is none that keeps to the limits, or options that do not go together.
        ProfileError: There is no profile, or it is of something else.
        ExperimentError: No such network profile.
    """
    if asked.objective not in OBJECTIVES:
        raise PlanError(f"--objective {asked.objective}: it is one of {', '.join(OBJECTIVES)}")
    asked.check_kind()
    objective: Objective = asked.objective
    infos = _answering(lab)
    now = Wanted((), asked.batch, _threads(asked.threads, infos))
    path = _path(asked.folder, lab, bundle, now)
    found = load_profile(path)
    settings = {name: now.settings(info) for name, info in infos.items()}
    found.check(path, bundle=bundle.digest, batch=asked.batch, threads=now.common_threads, settings=settings)
    codec = choice_of(asked.codec, "--codec")
    predictor = Predictor(found, bundle, _conditions(asked, lab), codec)
    title = f"{found.model} on {lab.name}, network profile {asked.profile}"
    if codec != NO_CODEC.name:
        title += f", codec {codec}"
    if asked.at is not None:
        show_given(predictor, lab, asked, title)
        return
    limits = limits_of(asked, found, path, lab)
    chooser = Chooser(predictor, asked.least_accuracy)
    try:
        chosen = chooser.best(objective, limits, asked.best)
    except PlanError as error:
        if asked.least_accuracy and Chooser(predictor).is_feasible(limits):
            told = f"accuracy >= {asked.least_accuracy:g} with codec {codec} and the rest"
            raise PlanError(f"no plan keeps {told}; drop one of these") from error
        raise
    plans = [(_named(objective, number), _predicted(predictor, each)) for number, each in enumerate(chosen)]
    baselines = [
        (name, _predicted(predictor, each)) for name, each in named_baselines(chooser.problem(limits), limits)
    ]
    if asked.experiment is not None:
        write_experiment(
            asked.experiment,
            bundle,
            [prediction.plan for _, prediction in plans],
            order=[device.name for device in lab.devices],
            profile=asked.profile,
            network_profiles=asked.network_profiles,
            batch=asked.batch,
            threads=now.threads,
            codec=codec,
        )
    if asked.as_json:
        print(json.dumps(_plans_as_json(bundle, asked, plans, baselines), indent=1))
        return
    console = output()
    show_plans(console, title, plans, baselines, bundle.node_count)
    _show_gain(plans, baselines, objective)
    show_devices_worth(console, chooser, limits)


def _named(objective: Objective, number: int) -> str:
    """All of a Pareto set are best."""
    return objective if objective == "pareto" or not number else f"next best {number}"


def _predicted(predictor: Predictor, each: Plan) -> Prediction:
    return predictor.predict(each.devices, each.cuts)


def _show_gain(plans: Sequence[Candidate], baselines: Sequence[Candidate], objective: Objective) -> None:
    def value(prediction: Prediction) -> float:
        chosen = prediction.plan
        return chosen.latency_s if objective == "latency" else chosen.interval_s

    best = min(value(prediction) for _, prediction in plans)
    what = "latency" if objective == "latency" else "time between results"
    told = [f"{value(prediction) / best:.2f} x with {name}" for name, prediction in baselines]
    output().print(f"Against the {what} planned: {', '.join(told)}.")


def _conditions(asked: PlanAsked, lab: Lab) -> NetworkProfile:
    """The network profile; links that nobody imposes one on have none."""
    names = [device.name for device in lab.devices]
    if asked.profile == AS_IS or lab.links(names) == "none":
        return NetworkProfile()
    profiles = load_network_profiles(asked.network_profiles)
    conditions = find_profile(profiles, asked.profile, asked.network_profiles)
    conditions.check_pairs(asked.profile, names)
    return conditions


def _cuts(bundle: Bundle, which: str) -> tuple[int, ...]:
    named = {
        "clean": bundle.clean_cuts(),
        "blocks": bundle.block_cuts(),
        "all": tuple(point.index for point in bundle.cut_points),
    }
    if which not in named:
        raise ExperimentError(f"--cuts {which}: it is one of {', '.join(named)}")
    return (0, *named[which], bundle.node_count)


def _path(folder: Path, lab: Lab, bundle: Bundle, wanted: Wanted) -> Path:
    return profile_path(
        folder,
        lab=lab.name,
        model=bundle.manifest.model,
        batch=wanted.batch,
        threads=wanted.common_threads,
    )


def _threads(asked: int | None, infos: Mapping[str, DeviceInfo]) -> int | dict[str, int]:
    """One number, or that of each device where they differ; 1 where no device can say."""
    if asked is not None:
        return asked
    numbers = {name: info.threads for name, info in infos.items()}
    alike = set(numbers.values()) or {1}
    return alike.pop() if len(alike) == 1 else numbers


def _reusable(path: Path, bundle: Bundle, lab: Lab, wanted: Wanted, screen: Screen) -> Profile | None:
    if not path.exists():
        return None
    found = load_profile(path)
    security = lab.load_security()
    settings = {device.name: wanted.settings(query(device, security)) for device in lab.devices}
    why = found.difference(
        bundle=bundle.digest, batch=wanted.batch, threads=wanted.common_threads, settings=settings
    )
    if why is None and found.cuts != wanted.cuts:
        why = "other cuts"
    if why is None and set(found.devices) != set(settings):
        why = "other devices"
    why = f"of {why}" if why else "a quick one" if wanted.is_too_quick(found) else None
    screen.say(f"profile {path} is {why}: taken again" if why else f"taken {found.taken_at}: {path}")
    return None if why else found


def _answering(lab: Lab) -> dict[str, DeviceInfo]:
    """The devices that answer: a plan can be made while a lab is off."""
    found = {}
    security = lab.load_security()
    for device in lab.devices:
        try:
            found[device.name] = query(device, security, timeout_s=_ANSWER_S)
        except DeviceError:
            continue
    return found


def _as_json(found: Profile, bundle: Bundle) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(found)
    for name, device in found.devices.items():
        told["devices"][name]["stretches"] = [
            msgspec.to_builtins(row) for row in stretches(bundle, found.cuts, device, found.batch)
        ]
    return told


def _plans_as_json(
    bundle: Bundle, asked: PlanAsked, plans: Sequence[Candidate], baselines: Sequence[Candidate]
) -> dict[str, Any]:
    def told(name: str, prediction: Prediction) -> dict[str, Any]:
        chosen = prediction.plan
        return {
            "name": name,
            "devices": chosen.devices,
            "cuts": chosen.cuts,
            "stages": stages_of(chosen, bundle.node_count),
            "latency_s": chosen.latency_s,
            "throughput_per_s": prediction.batch / chosen.interval_s,
            "bottleneck": chosen.bottleneck,
        }

    return {
        "model": bundle.manifest.model,
        "bundle": bundle.digest,
        "profile": asked.profile,
        "codec": asked.codec,
        "objective": asked.objective,
        "plans": [told(*each) for each in plans],
        "baselines": [told(*each) for each in baselines],
    }


def show_given(predictor: Predictor, lab: Lab, asked: PlanAsked, title: str) -> None:
    """Print what the split of `--at` is predicted to do, and where its time goes.

    Raises:
        ExperimentError: The cuts are not in the model, or do not fit the number of devices.
        LabError: No such device.
        PlanError: A device or a cut that was not profiled, or a device named twice.
    """
    devices, cuts = chain_at(predictor.bundle, lab, asked.at or "", asked.chain)
    if len(set(devices)) < len(devices):
        raise PlanError(
            f"--devices {','.join(devices)}: several stages on one device are not predicted; measure them: "
            f"python -m controller run"
        )
    prediction = predictor.predict(devices, cuts, depth=asked.depth or 1)
    if asked.as_json:
        print(json.dumps(_prediction_as_json(predictor, asked, prediction), indent=1))
        return
    _show(output(), predictor, prediction, title)


def _show(console: Console, predictor: Predictor, prediction: Prediction, title: str) -> None:
    plan = prediction.plan
    console.print(f"{title}: {stages_of(plan, predictor.bundle.node_count)}")
    table = plain_table("predicted", "latency ms", "of it", "busy ms a request")
    for part in prediction.parts:
        share = part.latency_s / plan.latency_s
        table.add_row(
            part.name, f"{part.latency_s * 1e3:.2f}", f"{share:.0%}", f"{part.interval_s * 1e3:.2f}"
        )
    console.print(table)
    console.print(
        f"Alone in the pipeline: latency {plan.latency_s * 1e3:.2f} ms. At depth {prediction.depth}: "
        f"latency {prediction.latency_s * 1e3:.2f} ms, {prediction.throughput_per_s:.1f} samples/s."
    )
    most_per_s = prediction.batch / plan.interval_s
    console.print(f"With enough in flight: {most_per_s:.1f} samples/s, set by {plan.bottleneck}.")


def _prediction_as_json(predictor: Predictor, asked: PlanAsked, prediction: Prediction) -> dict[str, Any]:
    plan = prediction.plan
    return {
        "model": predictor.bundle.manifest.model,
        "bundle": predictor.bundle.digest,
        "profile": asked.profile,
        "codec": asked.codec,
        "devices": plan.devices,
        "cuts": plan.cuts,
        "stages": stages_of(plan, predictor.bundle.node_count),
        "batch": prediction.batch,
        "depth": prediction.depth,
        "latency_s": prediction.latency_s,
        "throughput_per_s": prediction.throughput_per_s,
        "alone_latency_s": plan.latency_s,
        "most_throughput_per_s": prediction.batch / plan.interval_s,
        "bottleneck": plan.bottleneck,
        "parts": msgspec.to_builtins(prediction.parts),
    }
