"""`device_metrics.csv`: a row a stage of a trial, with what its device was doing meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.exports.trial import KEYS, Exported

__all__ = ["DEVICE_COLUMNS", "device_rows"]

_Samples = Sequence[Mapping[str, Any]]

DEVICE_COLUMNS = (
    *KEYS,
    *("device", "kind", "slowdown", "stage", "start", "stop", "layers", "parameters", "multiply_adds"),
    *("threads", "load_s", "compute_alone_s", "compute_s", "wait_compute_s", "decode_s", "encode_s"),
    *("images_per_s", "busy", "bubble", "occupied"),
    *("telemetry_samples", "process_cpu_percent", "host_cpu_percent", "process_rss_bytes", "host_used_bytes"),
    *("frequency_mhz", "frequency_low_mhz", "temperature_c", "throttled", "sent_bytes", "received_bytes"),
    *("gpu_percent", "gpu_power_w", "gpu_used_bytes"),
)


def device_rows(exported: Exported) -> list[dict[str, Any]]:
    """Rows in the order of the chain. What a device cannot tell is None.

    A device without a stage has none. Telemetry is of the device, so stages that share one share it.
    """
    return [
        exported.keys() | _stage(exported, index) | _telemetry(exported.telemetry.get(hop.device, ()))
        for index, hop in enumerate(exported.trial.hops)
    ]


def _stage(exported: Exported, index: int) -> dict[str, Any]:
    hop, figures = exported.trial.hops[index], exported.figures.hops[index]
    machine = exported.machines.get(hop.device)
    nodes = exported.manifest.get("nodes", ())[hop.start : hop.stop]
    compute_s = figures.means["compute_s"]
    return {
        "device": hop.device,
        "kind": machine.kind if machine else None,
        "slowdown": machine.slowdown if machine else None,
        "stage": index + 1,
        "start": hop.start,
        "stop": hop.stop,
        "layers": hop.stop - hop.start,
        "parameters": sum(node["parameters"] for node in nodes) if nodes else None,
        "multiply_adds": sum(node["multiply_adds"] for node in nodes) if nodes else None,
        "threads": hop.threads,
        "load_s": hop.load_s,
        "compute_alone_s": hop.solo_compute_s,
        **{name: figures.means[name] for name in ("compute_s", "wait_compute_s", "decode_s", "encode_s")},
        "images_per_s": exported.result.cell.batch / compute_s if compute_s else None,
        "busy": figures.busy,
        "bubble": figures.bubble,
        "occupied": figures.occupied,
    }


def _telemetry(samples: _Samples) -> dict[str, Any]:
    """Means, extremes and differences; the first sample is of before the trial, so only counters use it."""
    during = samples[1:]
    return {
        "telemetry_samples": len(during),
        "process_cpu_percent": _over(during, "process_cpu_percent", _mean),
        "host_cpu_percent": _over(during, "host_cpu_percent", _mean),
        "process_rss_bytes": _over(during, "process_rss_bytes", max),
        "host_used_bytes": _over(during, "host_used_bytes", max),
        "frequency_mhz": _over(during, "frequency_mhz", _mean),
        "frequency_low_mhz": _over(during, "frequency_mhz", min),
        "temperature_c": _over(during, "temperature_c", max),
        "throttled": _over(during, "throttled", _any_bit),
        "sent_bytes": _over(samples, "sent_bytes", _gone_by) if during else None,
        "received_bytes": _over(samples, "received_bytes", _gone_by) if during else None,
        "gpu_percent": _over(during, "gpu_percent", _mean),
        "gpu_power_w": _over(during, "gpu_power_w", _mean),
        "gpu_used_bytes": _over(during, "gpu_used_bytes", max),
    }


def _over(samples: _Samples, name: str, what: Callable[[Sequence[float]], float]) -> float | None:
    values = [sample[name] for sample in samples if sample.get(name) is not None]
    return what(values) if values else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _gone_by(counts: Sequence[float]) -> float:
    return counts[-1] - counts[0]


def _any_bit(flags: Sequence[float]) -> int:
    seen = 0
    for flag in flags:
        seen |= int(flag)
    return seen
