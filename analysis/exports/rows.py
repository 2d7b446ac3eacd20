"""The rows of the three tables, trial by trial. Columns: docs/exports.md."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.data.sweep import CellResult
from analysis.data.telemetry import mean_during, span_on
from analysis.data.trial_metrics import QUANTILES, TrialMeasures, encoded_bytes, rows_of_requests
from analysis.tables.cells import cell_columns
from controller.results import DeviceRow, Trial
from controller.results.metrics import IN_HOP, network_s

__all__ = ["EXPORTS", "Exported"]

_Samples = Sequence[Mapping[str, Any]]

_OWN_PARTS = ("wait_source_s", "prepare_s")
_STAMPED = ("processor", "governor", "pinned_cores", "kernel", "onnxruntime", "worker_digest")
_MEANS = ("process_cpu_percent", "host_cpu_percent", "frequency_mhz", "gpu_percent", "gpu_power_w")


def _of(kind: type, *names: str) -> dict[str, type]:
    """Columns that hold values of one kind. A list of values is text."""
    return dict.fromkeys(names, kind)


_KEYS = (
    _of(str, "cell")
    | _of(int, "trial")
    | _of(str, "model", "bundle_name", "network", "split", "cuts", "devices")
    | _of(int, "depth", "batch")
    | _of(str, "codec", "load", "topology", "backend")
)
_BATCH_COLUMNS = (
    _KEYS
    | _of(int, "request")
    | _of(float, "scheduled_at_s", "finished_at_s", "latency_s", "latency_per_image_s", "interval_s")
    | _of(float, *_OWN_PARTS, *IN_HOP, "network_s", "communication_share")
    | _of(str, "stage_compute_s")
)
_DEVICE_COLUMNS = (
    _KEYS
    | _of(int, "environment")
    | _of(str, "device", "kind")
    | _of(float, "slowdown")
    | _of(str, *_STAMPED)
    | _of(int, "stage", "start", "stop", "layers", "parameters", "multiply_adds", "threads")
    | _of(float, "load_s", "compute_alone_s", "compute_s", "wait_compute_s", "decode_s", "encode_s")
    | _of(float, "images_per_s", "busy", "bubble", "occupied")
    | _of(int, "telemetry_samples")
    | _of(float, "process_cpu_percent", "host_cpu_percent")
    | _of(int, "process_memory_bytes", "process_rss_bytes", "host_used_bytes")
    | _of(float, "frequency_mhz", "frequency_low_mhz", "temperature_c")
    | _of(int, "throttled", "sent_bytes", "received_bytes")
    | _of(float, "gpu_percent", "gpu_power_w")
    | _of(int, "gpu_used_bytes")
)
_PIPELINE_COLUMNS = (
    _KEYS
    | _of(int, "requests", "images")
    | _of(float, "elapsed_s", "images_per_s", "inter_batch_images_per_s", "time_per_batch_s")
    | _of(float, "time_per_image_s", "latency_mean_s", *(f"latency_{name}_s" for name in QUANTILES))
    | _of(str, "stage_images_per_s", "stage_limit_images_per_s", "busy", "bubble", "bottleneck")
    | _of(float, "network_s", "communication_overhead", "source_s")
    | _of(int, "payload_bytes")
    | _of(str, "link_payload_bytes", "link_encoded_bytes")
    | _of(float, "rate_per_s")
    | _of(bool, "stable", "overloaded")
    | _of(float, "worst_error")
)


@dataclass(frozen=True)
class Exported:
    """A finished trial with all that its rows are made from.

    Attributes:
        bundle_name: What its sweep calls its bundle.
        manifest: Of its bundle.
        machines: The devices as the trial's environment found them.
        telemetry: Samples by device, in time order; the first is of the moment before the trial.
    """

    result: CellResult
    trial: Trial
    figures: TrialMeasures
    bundle_name: str
    manifest: Mapping[str, Any]
    machines: Mapping[str, DeviceRow]
    telemetry: Mapping[str, Sequence[Mapping[str, Any]]]

    def keys(self) -> dict[str, Any]:
        """The columns that every table begins with."""
        columns = cell_columns(self.result, self.bundle_name)
        columns |= {"trial": self.trial.number, "split": columns["where"]}
        return {key: columns[key] for key in _KEYS}


def _batch_rows(exported: Exported) -> list[dict[str, Any]]:
    """Rows in the order of requests; times are seconds on the source's clock."""
    endpoint = np.sort(exported.trial.endpoint, order="request")
    hops = [
        np.sort(rows_of_requests(exported.trial, rows), order="request") for rows in exported.trial.records
    ]
    parts = {name: endpoint[name] for name in _OWN_PARTS}
    parts |= {name: np.sum([hop[name] for hop in hops], axis=0) for name in IN_HOP}
    on_network_s = network_s(endpoint, hops)
    between_s = np.diff(endpoint["finished_at_s"]).tolist()
    keys = exported.keys()
    return [
        keys
        | {
            "request": int(row["request"]),
            "scheduled_at_s": float(row["scheduled_at_s"]),
            "finished_at_s": float(row["finished_at_s"]),
            "latency_s": float(row["latency_s"]),
            "latency_per_image_s": float(row["latency_s"]) / exported.result.cell.batch,
            "interval_s": between_s[i - 1] if i else None,
            "network_s": float(on_network_s[i]),
            "communication_share": float(on_network_s[i] / row["latency_s"]),
            "stage_compute_s": ";".join(f"{float(hop['compute_s'][i]):.6g}" for hop in hops),
        }
        | {name: float(values[i]) for name, values in parts.items()}
        for i, row in enumerate(endpoint)
    ]


def _device_rows(exported: Exported) -> list[dict[str, Any]]:
    """Rows in the order of the chain. What a device cannot tell is None.

    A device without a stage has none. Telemetry is of the device, so stages that share one share it.
    """
    return [
        exported.keys() | _stage(exported, index) | _telemetry(exported, hop.device)
        for index, hop in enumerate(exported.trial.hops)
    ]


def _stage(exported: Exported, index: int) -> dict[str, Any]:
    hop, figures = exported.trial.hops[index], exported.figures.hops[index]
    machine = exported.machines.get(hop.device)
    nodes = exported.manifest.get("nodes", ())[hop.start : hop.stop]
    compute_s = figures.means["compute_s"]
    stamp = machine.stamp if machine else {}
    return {
        "environment": exported.trial.environment,
        "device": hop.device,
        "kind": machine.kind if machine else None,
        "slowdown": machine.slowdown if machine else None,
        **{name: None if stamp.get(name) is None else str(stamp[name]) for name in _STAMPED},
        "stage": index + 1,
        "start": hop.start,
        "stop": hop.stop,
        "layers": hop.stop - hop.start,
        "parameters": sum(node["parameters"] for node in nodes) if nodes else None,
        "multiply_adds": sum(node["multiply_adds"] for node in nodes) if nodes else None,
        "threads": hop.threads,
        "load_s": hop.load_s,
        "compute_alone_s": hop.alone_s,
        **{name: figures.means[name] for name in ("compute_s", "wait_compute_s", "decode_s", "encode_s")},
        "images_per_s": exported.result.cell.batch / compute_s if compute_s else None,
        "busy": figures.busy,
        "bubble": figures.bubble,
        "occupied": figures.occupied,
    }


def _telemetry(exported: Exported, device: str) -> dict[str, Any]:
    """Means, extremes and differences; extremes leave out the first sample, which is of before the trial."""
    samples = exported.telemetry.get(device, ())
    during = samples[1:]
    counted = samples if during else ()
    figures: dict[str, tuple[_Samples, str, Callable[[Sequence[float]], float]]] = {
        "process_memory_bytes": (during, "process_memory_bytes", max),
        "process_rss_bytes": (during, "process_rss_bytes", max),
        "host_used_bytes": (during, "host_used_bytes", max),
        "frequency_low_mhz": (during, "frequency_mhz", min),
        "temperature_c": (during, "temperature_c", max),
        "throttled": (during, "throttled", _any_bit),
        "sent_bytes": (counted, "sent_bytes", _difference),
        "received_bytes": (counted, "received_bytes", _difference),
        "gpu_used_bytes": (during, "gpu_used_bytes", max),
    }
    span = span_on(device, exported.trial, exported.result.cell)
    row: dict[str, Any] = {"telemetry_samples": len(during)}
    row |= {name: mean_during(samples, name, span) for name in _MEANS}
    for column, (of, name, summary) in figures.items():
        values = [sample[name] for sample in of if sample.get(name) is not None]
        row[column] = summary(values) if values else None
    return row


def _difference(counts: Sequence[float]) -> float:
    return counts[-1] - counts[0]


def _any_bit(flags: Sequence[float]) -> int:
    return functools.reduce(operator.or_, map(int, flags))


def _pipeline_rows(exported: Exported) -> list[dict[str, Any]]:
    """The one row of a trial."""
    trial, figures, batch = exported.trial, exported.figures, exported.result.cell.batch
    images = figures.requests * batch
    finished_at_s = np.sort(trial.endpoint["finished_at_s"])
    results_s = float(finished_at_s[-1] - finished_at_s[0])
    return [
        exported.keys()
        | {
            "requests": figures.requests,
            "images": images,
            "elapsed_s": trial.elapsed_s,
            "images_per_s": figures.throughput_per_s,
            "inter_batch_images_per_s": (figures.requests - 1) * batch / results_s if results_s > 0 else None,
            "time_per_batch_s": trial.elapsed_s / figures.requests,
            "time_per_image_s": trial.elapsed_s / images,
            "latency_mean_s": figures.long_run_mean_s,
            **{f"latency_{name}_s": value for name, value in figures.latency.items()},
            "stage_images_per_s": _listed(_rate(batch, hop.means["compute_s"]) for hop in figures.hops),
            "stage_limit_images_per_s": _listed(
                None if hop.alone_s is None else _rate(batch, hop.alone_s) for hop in trial.hops
            ),
            "busy": _listed(hop.busy for hop in figures.hops),
            "bubble": _listed(hop.bubble for hop in figures.hops),
            "bottleneck": figures.bottleneck,
            "network_s": figures.network_s,
            "communication_overhead": figures.network_share,
            "source_s": figures.source_s,
            "payload_bytes": figures.payload_bytes,
            "link_payload_bytes": _listed(link.payload_bytes for link in figures.links),
            "link_encoded_bytes": _listed(encoded_bytes(link) for link in figures.links),
            "rate_per_s": figures.course.rate_per_s,
            "stable": figures.course.stable,
            "overloaded": figures.course.overloaded,
            "worst_error": figures.worst_error,
        }
    ]


def _rate(batch: int, seconds: float) -> float:
    return batch / seconds if seconds > 0 else float("inf")


def _listed(values: Iterable[Any]) -> str:
    """Values in a text, nothing for one that is unknown."""
    texts = (f"{value:.6g}" if isinstance(value, float) else value for value in values)
    return ";".join("" if text is None else str(text) for text in texts)


EXPORTS: dict[str, tuple[Mapping[str, type], Callable[[Exported], list[dict[str, Any]]]]] = {
    "batch_metrics": (_BATCH_COLUMNS, _batch_rows),
    "device_metrics": (_DEVICE_COLUMNS, _device_rows),
    "pipeline_metrics": (_PIPELINE_COLUMNS, _pipeline_rows),
}
"""By table its columns and the rows of a trial."""
