"""The prediction of one split that is given, as `controller plan --at` prints it."""

import json
from typing import Any

import msgspec
from rich.console import Console

from controller.console import output, plain_table
from controller.errors import PlanError
from controller.experiment.cells import chain_at
from controller.lab.inventory import Lab
from controller.planning.options import PlanAsked
from controller.planning.prediction import Prediction, Predictor
from controller.planning.tables import stages_of

__all__ = ["show_given"]


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
        print(json.dumps(_as_json(predictor, asked, prediction), indent=1))
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


def _as_json(predictor: Predictor, asked: PlanAsked, prediction: Prediction) -> dict[str, Any]:
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
