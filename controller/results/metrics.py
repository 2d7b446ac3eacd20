"""Single definitions of a trial's and a split's figures that several packages use."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.results.rows import BaselineTrial
from controller.results.trial import Trial

__all__ = [
    "AT_ENDPOINT",
    "FLAT",
    "IN_HOP",
    "QUANTILES",
    "SAMPLES_NEEDED",
    "baseline_latency_s",
    "baseline_throughput_per_s",
    "busy_share",
    "latency_s",
    "network_s",
    "occupied_share",
    "period_s",
    "power",
    "stage_name",
    "throughput_per_s",
]

FLAT: Final = 0.03
"""Throughput is flat at a depth where twice as many requests in flight gain less than this."""

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

SAMPLES_NEEDED: Final = {"p50": 11, "p90": 64, "p95": 130, "p99": 662}
"""The fewest requests for a quantile (docs/measuring.md)."""

IN_HOP: Final = ("wait_compute_s", "decode_s", "compute_s", "encode_s")
"""What a hop spends on a request itself."""

AT_ENDPOINT: Final = ("wait_source_s", "encode_s", "decode_s")
"""What a request spends at its source and its sink."""


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


def latency_s(trial: Trial) -> float:
    """Median latency of a request."""
    return float(np.median(trial.endpoint["latency_s"]))


def period_s(trial: Trial) -> float:
    """Mean seconds between two results."""
    return trial.elapsed_s / len(trial.endpoint)


def throughput_per_s(trial: Trial, batch: int) -> float:
    """Samples a second, `batch` of them in a request."""
    return len(trial.endpoint) * batch / trial.elapsed_s


def baseline_latency_s(trial: BaselineTrial) -> float | None:
    """Median seconds a batch; None with too few of them."""
    enough = len(trial.compute_s) >= SAMPLES_NEEDED["p50"]
    return float(np.median(trial.compute_s)) if enough else None


def baseline_throughput_per_s(trial: BaselineTrial) -> float:
    """Samples a second."""
    return len(trial.compute_s) * trial.batch / sum(trial.compute_s)


def busy_share(trial: Trial, position: int) -> float | None:
    """Requests x the time alone of the stage at `position` / elapsed; None where that time does not fit."""
    alone_s = trial.hops[position].alone_s
    return None if alone_s is None else len(trial.endpoint) * alone_s / trial.elapsed_s


def occupied_share(trial: Trial, rows: NDArray[np.void]) -> float:
    """The share of a trial in which a stage had a request in hand; it counts preemption as work.

    Args:
        rows: The records of the stage's hop.
    """
    return float(rows["compute_s"].sum()) / trial.elapsed_s


def network_s(endpoint: NDArray[np.void], hops: Sequence[NDArray[np.void]]) -> NDArray[np.float64]:
    """Network share of each request, in the order of requests: its latency less what it spends elsewhere.

    Args:
        endpoint: A row a request (`worker.records.ENDPOINT`).
        hops: For each hop, a row for each of these requests (`worker.records.HOP`), in any order.
    """
    at_ends_s = np.sum([endpoint[part] for part in AT_ENDPOINT], axis=0)
    share_s: NDArray[np.float64] = _by_request(endpoint, endpoint["latency_s"] - at_ends_s)
    for rows in hops:
        share_s -= _by_request(rows, np.sum([rows[part] for part in IN_HOP], axis=0))
    return share_s


def _by_request(rows: NDArray[np.void], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of rows in the order of their requests, which is the order of the rows in a results file."""
    requests = rows["request"]
    return values if (requests[1:] > requests[:-1]).all() else values[np.argsort(requests)]


def stage_name(devices: Sequence[str], position: int) -> str:
    """The device of a stage, numbered where it has several, as in `pi (2)`.

    Args:
        devices: That of each stage, in the order of the chain.
    """
    device = devices[position]
    return device if devices.count(device) == 1 else f"{device} ({devices[: position + 1].count(device)})"
