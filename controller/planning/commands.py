"""The commands `controller plan` and `predict`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from controller.console import plain_table, show, show_json, show_table
from controller.errors import PlanError
from controller.experiment.cells import chain_at
from controller.experiment.codec_assignment import choice_of
from controller.experiment.resolve import conditions_between
from controller.lab.inventory import Lab
from controller.lab.worker_client import query_all
from controller.planning.baselines import named_baselines
from controller.planning.chooser import Chooser
from controller.planning.constraints import OBJECTIVES, Limits, Objective
from controller.planning.experiment_file import write_experiment
from controller.planning.options import PlanOptions, PredictOptions, SharedOptions, limits_of
from controller.planning.prediction import Prediction, Predictor
from controller.planning.problem import Plan
from controller.planning.tables import Candidate, in_words, show_devices_worth, show_plans, stages_of
from controller.profiling.profile import load_profile
from controller.profiling.profiler import ProfileRequest, alike_or_each
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC

__all__ = ["Plans", "find_plans", "plan", "predict"]

_ANSWER_S = 1.0


@dataclass(frozen=True)
class Plans:
    """The plans for an objective, best first, beside the baselines: each with its name.

    Attributes:
        chooser: What chose them, within `limits`.
    """

    plans: tuple[Candidate, ...]
    baselines: tuple[Candidate, ...]
    chooser: Chooser
    limits: Limits


def plan(bundle: Bundle, lab: Lab, options: PlanOptions) -> None:
    """Print the plan for an objective, its gain over the baselines, and the number of devices worth using.

    See `find_plans` for what is raised.
    """
    found = find_plans(bundle, lab, options)
    if options.as_json:
        show_json(_plans_as_json(bundle, options, found.plans, found.baselines))
        return
    title = _title(found.chooser.predictor, lab, options)
    show_plans(title, found.plans, found.baselines, bundle.node_count)
    _show_gain(found.plans, found.baselines, options.objective)
    show_devices_worth(found.chooser, found.limits)


def find_plans(bundle: Bundle, lab: Lab, options: PlanOptions) -> Plans:
    """The plans for an objective; with `options.experiment` also an experiment file that measures them.

    Raises:
        PlanError: No plan is within the limits.
        ProfileError: The device profile is missing or does not match.
        ExperimentError: The network is unknown.
    """
    if options.objective not in OBJECTIVES:
        raise PlanError(f"--objective {options.objective}: choose one of {', '.join(OBJECTIVES)}")
    objective: Objective = options.objective
    predictor, request = _predictor(bundle, lab, options)
    path = request.path(options.device_profiles, lab.name, bundle.manifest.model)
    limits = limits_of(options, predictor.profile, path, lab)
    chooser = Chooser(predictor, options.least_accuracy)
    chosen = _best(chooser, objective, limits, options)
    plans = tuple(
        (_named(objective, number), predictor.predict(each.devices, each.cuts))
        for number, each in enumerate(chosen)
    )
    baselines = tuple(
        (name, predictor.predict(each.devices, each.cuts))
        for name, each in named_baselines(chooser.problem(limits), limits)
    )
    if options.experiment is not None:
        write_experiment(
            options.experiment,
            bundle,
            [prediction.plan for _, prediction in plans],
            order=[device.name for device in lab.devices],
            network=options.network,
            networks_file=options.networks_file,
            batch=options.batch,
            threads=request.threads,
            codec=choice_of(options.codec, "--codec"),
            objective=objective,
        )
    return Plans(plans, baselines, chooser, limits)


def predict(bundle: Bundle, lab: Lab, options: PredictOptions) -> None:
    """Print one split's prediction, and where its time goes.

    Raises:
        ExperimentError: The cuts are not in the model, or do not fit the number of devices.
        LabError: A device is unknown.
        PlanError: A device or cut has no profile, or a device is named twice.
        ProfileError: The device profile is missing or does not match.
    """
    predictor, _ = _predictor(bundle, lab, options)
    devices, cuts = chain_at(bundle, lab, options.at, options.devices)
    if len(set(devices)) < len(devices):
        raise PlanError(
            f"--devices {','.join(devices)}: cannot predict several stages on one device; measure them with "
            f"`edgecut run`"
        )
    prediction = predictor.predict(devices, cuts, depth=options.depth)
    if options.as_json:
        show_json(_prediction_as_json(predictor, options, prediction))
        return
    _show_prediction(predictor, prediction, _title(predictor, lab, options))


def _predictor(bundle: Bundle, lab: Lab, options: SharedOptions) -> tuple[Predictor, ProfileRequest]:
    """A predictor from the lab's device profile, checked against the devices' present settings."""
    # Planning also works while the lab is off.
    infos = query_all(lab, timeout_s=_ANSWER_S, without_absent=True)
    threads = options.threads or alike_or_each({name: info.threads for name, info in infos.items()})
    request = ProfileRequest((), options.batch, threads)
    path = request.path(options.device_profiles, lab.name, bundle.manifest.model)
    profile = load_profile(path)
    settings = {name: request.settings(info) for name, info in infos.items()}
    profile.check(
        path, bundle=bundle.digest, batch=options.batch, threads=request.common_threads, settings=settings
    )
    codec = choice_of(options.codec, "--codec")
    names = [device.name for device in lab.devices]
    conditions = conditions_between(names, options.network, options.networks_file, lab)
    return Predictor(profile, bundle, conditions, codec), request


def _title(predictor: Predictor, lab: Lab, options: SharedOptions) -> str:
    title = f"{predictor.profile.model} on {lab.name}, network {options.network}"
    codec = choice_of(options.codec, "--codec")
    return title if codec == NO_CODEC.name else f"{title}, codec {codec}"


def _best(chooser: Chooser, objective: Objective, limits: Limits, options: PlanOptions) -> Sequence[Plan]:
    try:
        return chooser.best(objective, limits, options.best)
    except PlanError as error:
        if options.least_accuracy and Chooser(chooser.predictor).is_feasible(limits):
            limit = f"accuracy >= {options.least_accuracy:g} with codec {options.codec} and the other limits"
            raise PlanError(f"no plan meets {limit}; drop one of them") from error
        raise


def _named(objective: Objective, number: int) -> str:
    """A plan's name in the table; all plans of a Pareto set are equally good."""
    return objective if objective == "pareto" or not number else f"next best {number}"


def _show_gain(plans: Sequence[Candidate], baselines: Sequence[Candidate], objective: str) -> None:
    def value(prediction: Prediction) -> float:
        chosen = prediction.plan
        return chosen.latency_s if objective == "latency" else chosen.period_s

    best = min(value(prediction) for _, prediction in plans)
    what = "latency" if objective == "latency" else "period"
    ratios = [
        f"{value(prediction) / best:.2f} x with {in_words(name, prediction.plan)}"
        for name, prediction in baselines
    ]
    show(f"Relative to the planned {what}: {', '.join(ratios)}.")


def _plans_as_json(
    bundle: Bundle, options: PlanOptions, plans: Sequence[Candidate], baselines: Sequence[Candidate]
) -> dict[str, Any]:
    def as_json(name: str, prediction: Prediction) -> dict[str, Any]:
        chosen = prediction.plan
        return {
            "name": name,
            "devices": chosen.devices,
            "cuts": chosen.cuts,
            "stages": stages_of(chosen, bundle.node_count),
            "latency_s": chosen.latency_s,
            "throughput_per_s": prediction.batch / chosen.period_s,
            "bottleneck": chosen.bottleneck,
        }

    return {
        "model": bundle.manifest.model,
        "bundle": bundle.digest,
        "network": options.network,
        "codec": options.codec,
        "objective": options.objective,
        "plans": [as_json(*each) for each in plans],
        "baselines": [as_json(*each) for each in baselines],
    }


def _show_prediction(predictor: Predictor, prediction: Prediction, title: str) -> None:
    plan = prediction.plan
    show(f"{title}: {stages_of(plan, predictor.bundle.node_count)}")
    table = plain_table("predicted", "latency ms", "share", "busy ms a request")
    for part in prediction.parts:
        share = part.latency_s / plan.latency_s
        table.add_row(part.name, f"{part.latency_s * 1e3:.2f}", f"{share:.0%}", f"{part.period_s * 1e3:.2f}")
    show_table(table)
    show(
        f"A lone request: latency {plan.latency_s * 1e3:.2f} ms. At depth {prediction.depth}: "
        f"latency {prediction.latency_s * 1e3:.2f} ms, {prediction.throughput_per_s:.1f} samples/s."
    )
    most_per_s = prediction.batch / plan.period_s
    show(f"With enough requests in flight: {most_per_s:.1f} samples/s, limited by {plan.bottleneck}.")


def _prediction_as_json(
    predictor: Predictor, options: PredictOptions, prediction: Prediction
) -> dict[str, Any]:
    plan = prediction.plan
    return {
        "model": predictor.bundle.manifest.model,
        "bundle": predictor.bundle.digest,
        "network": options.network,
        "codec": options.codec,
        "devices": plan.devices,
        "cuts": plan.cuts,
        "stages": stages_of(plan, predictor.bundle.node_count),
        "batch": prediction.batch,
        "depth": prediction.depth,
        "latency_s": prediction.latency_s,
        "throughput_per_s": prediction.throughput_per_s,
        "alone_latency_s": plan.latency_s,
        "most_throughput_per_s": prediction.batch / plan.period_s,
        "bottleneck": plan.bottleneck,
        "parts": msgspec.to_builtins(prediction.parts),
    }
