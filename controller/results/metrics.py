"""Single definitions of a trial's and a split's figures that several packages use."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controller.results.rows import Link, Trial

__all__ = [
    "AT_ENDPOINT",
    "FLAT",
    "IN_HOP",
    "QUANTILES",
    "SAMPLES_NEEDED",
    "Share",
    "busy_share",
    "computing_shares",
    "latency_s",
    "link_share",
    "limiting_share",
    "network_s",
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


def busy_share(trial: Trial, position: int) -> float | None:
    """Requests x the time alone of the stage at `position` / elapsed; None where that time does not fit."""
    alone_s = trial.hops[position].alone_s
    return None if alone_s is None else len(trial.endpoint) * alone_s / trial.elapsed_s


class Share(NamedTuple):
    """A share of the time, of which the bounds are known."""

    least: float
    most: float


def link_share(link: Link) -> Share | None:
    """The share of the time in which a link carried bytes: of an emulated link exact; None if unknown.

    Of another at most the time in which bytes waited to be sent or acknowledged, unless the receiver took no
    more. Acknowledgements may be long on their way, or queue behind what goes the other way; so it is at
    least the time in which frames queued on the sender, and what the bytes take at a rate that is set.
    """
    if (use := link.use) is None:
        return None
    most_s = use.busy_s - use.rwnd_limited_s
    least_s = most_s
    if use.by == "kernel":
        at_rate_s = use.carried_bytes * 8 / (link.rate_mbit * 1e6) if link.rate_mbit else 0.0
        least_s = min(max(use.queued_s, at_rate_s), most_s)
    return Share(*(min(max(seconds / use.elapsed_s, 0.0), 1.0) for seconds in (least_s, most_s)))


def computing_shares(trial: Trial) -> dict[str, float]:
    """How much of a request's mean latency each device computes, over its stages: what its drift moves."""
    whole_s = float(trial.endpoint["latency_s"].sum())
    return {device: computing_s / whole_s for device, computing_s in _computing_s(trial).items()}


def limiting_share(trial: Trial) -> dict[str, float]:
    """How much of the time the device computed that did so most: what its drift moves of the throughput."""
    computing_s = _computing_s(trial)
    device = max(computing_s, key=lambda name: computing_s[name])
    return {device: computing_s[device] / trial.elapsed_s}


def _computing_s(trial: Trial) -> dict[str, float]:
    """Seconds that each device computed for the requests that count."""
    seconds: dict[str, float] = {}
    for hop, rows in zip(trial.hops, trial.records, strict=True):
        seconds[hop.device] = seconds.get(hop.device, 0.0) + float(rows["compute_s"].sum())
    return seconds


def network_s(endpoint: NDArray[np.void], hops: Sequence[NDArray[np.void]]) -> NDArray[np.float64]:
    """Network share of each request, in the order of requests: its latency less what it spends elsewhere.

    Args:
        endpoint: A row a request (`worker.records.ENDPOINT`).
        hops: For each hop, a row for each of these requests (`worker.records.HOP`), in any order.
    """
    at_ends_s = np.sum([endpoint[part] for part in AT_ENDPOINT], axis=0)
    share_s: NDArray[np.float64] = (endpoint["latency_s"] - at_ends_s)[np.argsort(endpoint["request"])]
    for rows in hops:
        share_s -= np.sum([rows[part] for part in IN_HOP], axis=0)[np.argsort(rows["request"])]
    return share_s


def stage_name(devices: Sequence[str], position: int) -> str:
    """The device of a stage, numbered where it has several, as in `pi (2)`.

    Args:
        devices: That of each stage, in the order of the chain.
    """
    device = devices[position]
    return device if devices.count(device) == 1 else f"{device} ({devices[: position + 1].count(device)})"
