"""Every number of a study has a planted truth in the suite, or a reason to have none."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import yaml

from analysis.statistics.estimates import Estimate
from analysis.study import Study
from benchmarks.truth.cases import CASES, DEVICES, NULL_SIZES
from benchmarks.truth.comparison import Reported, compare
from benchmarks.truth.graph import accuracy_figures
from controller.experiment.resolve import resolve
from controller.lab.inventory import Device, Lab
from controller.statistics.steady_state import Bounded
from exporter.bundle import Samples, export_null

FIGURES = (Estimate, Bounded)
"""A figure with its interval is one number."""

TRUTHS: Mapping[str, tuple[str, ...]] = {
    "Accuracy.chain": ("accuracy",),
    "Accuracy.samples": ("samples",),
    "Accuracy.whole": ("accuracy of the whole graph",),
    "Accuracy.worst_error": ("worst error",),
    "Attempt.latency_s": ("highest rate",),
    "Attempt.rate_per_s": ("highest rate",),
    "Baseline.latency": ("gain in latency over pi alone", "gain in latency over server alone"),
    "Baseline.throughput": ("replicas",),
    "Breakdown.network_s": ("network part",),
    "Breakdown.parts": ("compute part", "wait part", "codec part"),
    "Breakdown.source_s": ("source part",),
    "Breakdown.total_s": ("time of all parts",),
    "CellResult.bound_missed": ("trials with the bound missed",),
    "CellResult.latency_mean": ("latency mean", "open latency mean"),
    "CellResult.overloaded": ("overloaded trials",),
    "CellResult.payload": ("encoded bytes",),
    "CellResult.rate": ("rate", "highest rate"),
    "CellResult.throughput": ("throughput",),
    "CellResult.unstable": ("unstable trials",),
    "CellResult.utilisation": ("utilisation",),
    "CodecAccuracy.tensor_error": ("tensor error",),
    "CodecAccuracy.worst_error": ("worst error with a codec",),
    "Course.highest": ("highest rate",),
    "Course.rate_per_s": ("rate",),
    "Coverage.measured": ("splits measured, latency", "splits measured, throughput"),
    "Coverage.splits": ("splits, latency", "splits, throughput"),
    "DeviceRow.slowdown": ("stage compute",),
    "Front.hypervolume": ("hypervolume, capability", "hypervolume, operating"),
    "Gain.factor": ("gain in latency over stay", "gain in throughput over offload"),
    "HopMeans.bubble": ("bubble",),
    "HopMeans.busy": ("busy", "time alone"),
    "HopMeans.means": ("stage compute", "wait part"),
    "HopMeans.occupied": ("occupied",),
    "Link.encoded_bytes": ("link encoded bytes",),
    "Link.payload_bytes": ("link payload bytes",),
    "LinkUse.busy_s": ("use",),
    "Moment.value": ("processor share",),
    "Point.accuracy": ("accuracy",),
    "Point.latency": ("best latency",),
    "Point.payload": ("encoded bytes",),
    "Point.throughput": ("best throughput",),
    "ReferenceBox.latency_s": ("box_latency_s",),
    "ReferenceBox.sample_s": ("box_sample_s",),
    "Replicas.throughput_per_s": ("replicas",),
    "Steady.latency_mean_s": ("open latency mean",),
    "Steady.quantiles_s": ("open latency p50", "open latency p90", "open latency p95", "open latency p99"),
    "Steady.utilisation": ("utilisation",),
    "Sweep.finished": ("trials",),
    "Sweep.missing": ("trials",),
    "TrialMeasures.encoded_bytes": ("encoded bytes",),
    "TrialMeasures.ends_codec_s": ("codec part",),
    "TrialMeasures.first_payload_bytes": ("link payload bytes",),
    "TrialMeasures.latency": ("latency p50", "latency p90", "latency p95", "latency p99"),
    "TrialMeasures.latency_mean_s": ("latency mean",),
    "TrialMeasures.latency_shares": ("compute part", "network part"),
    "TrialMeasures.long_run_mean_s": ("latency mean", "open latency mean"),
    "TrialMeasures.network_s": ("network time",),
    "TrialMeasures.network_share": ("network share",),
    "TrialMeasures.payload_bytes": ("payload bytes",),
    "TrialMeasures.prepare_s": ("prepare_s",),
    "TrialMeasures.requests": ("requests",),
    "TrialMeasures.source_s": ("source_s",),
    "TrialMeasures.throughput_per_s": ("throughput",),
    "TrialMeasures.throughput_shares": ("bottleneck",),
    "TrialMeasures.worst_error": ("worst error",),
}
"""Figures that the suite compares, without the device or the link that they are of."""

NEEDS_NONE: Mapping[str, Sequence[str]] = {
    "as the experiment, the lab or the bundle states it": (
        *(
            "Baseline.batch",
            "Baseline.threads",
            "Cell.batch",
            "Cell.depth",
            "Cell.depth_key",
            "Cell.prefetch",
        ),
        *("Cell.threads", "CodecAccuracy.batch", "Course.seed", "DeviceRow.stamp", "Link.delay_ms"),
        *(
            "Link.rate_mbit",
            "MeasuredLink.requested",
            "Network.requested",
            "Profiling.batch",
            "Profiling.threads",
        ),
        *("Sweep.environments", "Sweep.experiment", "Sweep.manifests", "Sweep.seed", "TrialsWanted.least"),
        *("TrialsWanted.most", "TrialsWanted.until", "Scope.cells", "Scope.splits", "PredictedCell.depth"),
        *("TrialsWanted.level_of_pair", "TrialsWanted.looked_after"),
    ),
    "a name or a number of something: which cut, block, trial, request or call": (
        *("Accuracy.cuts", "Bar.request", "Cell.cuts", "CodecAccuracy.cuts", "Course.jitter_seeds"),
        *("HopMeans.start", "HopMeans.stop", "Look.block", "MeasuredLink.environment", "Sentinel.block"),
        *("TrialMeasures.block", "TrialMeasures.environment", "TrialMeasures.number", "Void.number"),
        *("Drifted.since", "Sweep.sentinels"),
    ),
    "when something was, or how long it took, besides any trial": ("Moment.minutes", "Profiling.took_s"),
    "a probability or a variance: true of many sweeps, which tests.calibration plants and counts": (
        *("Answer.probability", "Baseline.shares", "Basis.blocks", "Basis.drift", "Basis.noise"),
        "Basis.without_drift",
        *("Look.sure", "Point.probability", "Surface.steps"),
    ),
    "a prediction, refused for planted times: make bench-plan holds predictions to measurements": (
        *("Predicted.seconds", "PredictedCell.measured_s", "PredictedCell.predicted_s"),
        "PredictedCell.repeated_s",
    ),
    "memory: tests/unit/worker plants pages": (
        *("CellResult.memory", "Point.memory", "TrialMeasures.memory_bytes", "TrialMeasures.rss_bytes"),
    ),
    "counts failures, and none is planted: tests/integration/faults plants them": ("CellResult.voids",),
    "of the lab's own links, shaped and measured by make test-lab": ("MeasuredLink.measured",),
    "a fixed computation's time on this machine, whatever that is; tests plant its drift": (
        *("Change.noise", "Change.value", "Sentinel.times_s"),
    ),
    "part of an account of a link, of which only the use is a figure": (
        *("LinkUse.carried_bytes", "LinkUse.elapsed_s", "LinkUse.frames", "LinkUse.queued_s"),
        *("LinkUse.round_trip_s", "LinkUse.rwnd_limited_s", "LinkUse.sndbuf_limited_s"),
    ),
    "within the network share, which has a truth; part of a socket's time has none": (
        "Breakdown.on_network",
    ),
    "follows from figures that have a truth: the largest share of use, and the throughput over it": (
        *("Point.limit", "TrialMeasures.bottleneck_share"),
    ),
    "drawn from the records whose means are compared": ("Bar.start_s", "Bar.stop_s"),
    "computed as without codecs, and compared there": (
        *("CodecAccuracy.chain", "CodecAccuracy.samples", "CodecAccuracy.whole"),
    ),
    "how many results or tensors a rule chose, which tests/unit checks": (
        *("Link.sent_raw", "TrialMeasures.checked"),
    ),
}
"""Numbers without a truth in the suite, by the reason."""


def numbers_of(kind: Any, name: str, seen: set[Any]) -> Iterator[str]:
    """Names of all numbers in a type, as `Class.field`: of dataclasses' fields, and of their properties."""
    if kind in (int, float, Any) or kind in FIGURES or get_origin(kind) is np.ndarray:
        yield name
    elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if kind not in seen:
            seen.add(kind)
            for field, of_field in _members(kind):
                yield from numbers_of(of_field, f"{kind.__name__}.{field}", seen)
    else:
        arguments = get_args(kind)
        if isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping):
            arguments = arguments[1:]
        for argument in arguments:
            yield from numbers_of(argument, name, seen)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    yield from get_type_hints(kind).items()
    for name in dir(kind):
        member = getattr(kind, name, None)
        getter = member.fget if isinstance(member, property) else getattr(member, "func", None)
        if getter is not None and not name.startswith("_"):
            yield name, get_type_hints(getter)["return"]


@functools.cache
def numbers() -> frozenset[str]:
    return frozenset(numbers_of(Study, "Study", set()))


def local(name: str) -> Device:
    return Device(name=name, kind="local", host="127.0.0.1", control_port=1, data_port=2, shaping="emulated")


@pytest.fixture(name="compared", scope="module")
def fixture_compared(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The figures that the suite compares, from a report that says nothing."""
    folder = tmp_path_factory.mktemp("suite")
    export_null(folder / "bundles" / "null", NULL_SIZES)
    lab, nothing = Lab(name="truth", devices=tuple(map(local, DEVICES))), Reported({}, ())
    figures = []
    for case in CASES:
        (folder / "experiment.yml").write_text(yaml.safe_dump(case.experiment()))
        (folder / "networks.yml").write_text(yaml.safe_dump(dict(case.networks)))
        resolved = resolve(folder / "experiment.yml", lab, bundles_folder=folder / "bundles")
        figures += compare(resolved, nothing, {})
    scores = np.eye(10, dtype=np.float32)
    samples = Samples({"image": scores}, np.arange(10), {"scores": scores}, {})
    figures += accuracy_figures(scores, samples, nothing)
    return frozenset(one.figure.partition(" of ")[0] for one in figures) | {one.figure for one in figures}


def test_every_number_of_a_study_has_a_truth_or_a_reason_to_have_none() -> None:
    exempt = [name for names in NEEDS_NONE.values() for name in names]
    assert sorted(numbers() - set(TRUTHS) - set(exempt)) == []
    # Once, and nothing that is gone.
    assert sorted([*TRUTHS, *exempt]) == sorted(numbers())


def test_every_truth_is_compared_by_some_case(compared: frozenset[str]) -> None:
    assert {name: missing for name, of in TRUTHS.items() if (missing := set(of) - compared)} == {}


def test_a_new_number_is_seen_wherever_it_is() -> None:
    @dataclasses.dataclass
    class Inner:
        watts: float | None
        text: str
        is_on: bool

    @dataclasses.dataclass
    class Outer:
        inner: Mapping[str, tuple[Inner, ...]]

        @property
        def joules(self) -> Estimate:
            raise NotImplementedError

    Outer.__annotations__["inner"] = Mapping[str, tuple[Inner, ...]]
    assert set(numbers_of(Outer, "Outer", set())) == {"Inner.watts", "Outer.joules"}
