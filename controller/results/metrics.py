"""Single definitions of a trial's and a split's figures that several packages use."""

from typing import Final

import numpy as np

from controller.results import Trial

__all__ = ["SAMPLES_NEEDED", "period_s", "network_s", "power"]

SAMPLES_NEEDED: Final = {"p50": 11, "p90": 64, "p95": 130, "p99": 662}
"""The fewest requests for a quantile (docs/measuring.md)."""


def power(latency_s: float, throughput_per_s: float) -> float:
    """Throughput over latency: Kleinrock's power, which is highest at the knee.

    Its maximum depends neither on units nor on the other points, and is always on the Pareto set.

    L. Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
    communications", ICC 1979.

    Args:
        latency_s: Latency of a request alone in the pipeline; above 0.
        throughput_per_s: Throughput with enough requests in flight.
    """
    return throughput_per_s / latency_s


def network_s(trial: Trial) -> float:
    """Median network share of a request (docs/measuring.md)."""
    share = trial.endpoint["latency_s"].copy()
    for hop in trial.records:
        for part in ("wait_compute_s", "decode_s", "compute_s", "encode_s"):
            share -= hop[part]
    return float(np.median(share))


def period_s(trial: Trial) -> float:
    """Mean seconds between two results."""
    return trial.elapsed_s / len(trial.endpoint)


def _stage_name(devices: list[str], position: int) -> str:
    """A stage's device, with a number where the device has several stages, as in reports."""
    device = devices[position]
    return device if devices.count(device) == 1 else f"{device} ({devices[: position + 1].count(device)})"
