"""One trial's records -> its figures."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ResultsError
from analysis.statistics.estimates import quantile
from controller.results import Course, Link, Trial, comparison_block
from controller.results.limits import Share, latency_shares, limit_of, link_uses, throughput_shares
from controller.results.metrics import (
    IN_HOP,
    QUANTILES,
    busy_share,
    network_s,
    occupied_share,
    stage_name,
    throughput_per_s,
)

__all__ = [
    "ON_NETWORK",
    "QUANTILES",
    "HopMeans",
    "TrialMeasures",
    "encoded_bytes",
    "measure",
    "rows_of_requests",
]

_Value = TypeVar("_Value")

ON_NETWORK = ("receive_s", "wait_send_s", "send_s")
"""What a hop sees of the network share. They lie within it, and those of two neighbours overlap."""
_MEANS = (*IN_HOP, *ON_NETWORK)


class _Means(Mapping[str, float]):
    """Seconds by the names in `_MEANS`, without a dictionary for each of a sweep's many thousand hops."""

    __slots__ = ("_seconds",)
    _PLACES: ClassVar = {name: place for place, name in enumerate(_MEANS)}

    def __init__(self, seconds: Iterable[float]) -> None:
        self._seconds = array("d", seconds)

    def __getitem__(self, name: str) -> float:
        return self._seconds[self._PLACES[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(_MEANS)

    def __len__(self) -> int:
        return len(_MEANS)


@dataclass(frozen=True, slots=True)
class HopMeans:
    """One stage in one trial.

    Attributes:
        stage: Its name: the device's, or as in `pi (2)`, where the device has several stages in this trial.
        means: Mean seconds a request, by the names in `IN_HOP` and `ON_NETWORK`.
        busy: Requests x the stage's own mean time alone / elapsed; None where that time does not fit, or is
            missing.
        alone_missing: Why it is missing.
        occupied: Wall-clock share of the compute thread; it counts preemption as work.
    """

    device: str
    stage: str
    start: int
    stop: int
    means: Mapping[str, float]
    busy: float | None
    occupied: float
    alone_missing: str | None = None

    @property
    def bubble(self) -> float | None:
        """The share of the time in which the stage had nothing to compute, or was kept from it."""
        return None if self.busy is None else 1 - self.busy


@dataclass(frozen=True, slots=True)
class TrialMeasures:
    """The figures of one finished trial, in seconds and samples a second.

    Attributes:
        block: That its figures are compared in: `number`, or another one after a change of a device.
        latency: By quantile name: of all requests, under an open load in the long run. None where the trial
            has too few requests for it, the interval is too wide, or the trial was overloaded.
        latency_mean_s: Of the trial's own requests; `long_run_mean_s` is the figure of an open load.
        network_s: Mean network share of a request.
        source_s: Mean wait at the source, for a credit or for an input.
        ends_codec_s: Mean time to encode at the source and to decode at the sink.
        encoded_bytes: What is sent of payload_bytes, after the codecs.
        prepare_s: Mean time that an input took to make; in the total only as far as it is in source_s.
        payload_bytes: What one request puts on all links between devices, results included.
        links: The links between devices, in the order of the chain.
        link_use: The share of the time in which each way between two devices was in use, by a name as in
            `pi -> server`; None where nothing accounts for it.
        bottleneck, bottleneck_share: See `controller.results.limits.Limit`.
        latency_shares, throughput_shares: By device or way, how much of its changes the figure takes part in.
        first_payload_bytes: What it puts on the first link between devices; 0 without one.
        memory_bytes: Most memory of a worker that took part, in the one that had most: its private pages,
            and those of its bundle's files once.
        rss_bytes: The same of all its resident pages.
    """

    number: int
    block: int
    requests: int
    latency: Mapping[str, float | None]
    latency_mean_s: float
    throughput_per_s: float
    network_s: float
    source_s: float
    ends_codec_s: float
    prepare_s: float
    hops: tuple[HopMeans, ...]
    payload_bytes: int
    encoded_bytes: float
    first_payload_bytes: int
    links: tuple[Link, ...]
    link_use: Mapping[str, Share | None]
    bottleneck: str | None
    bottleneck_share: float
    worst_error: float
    checked: int
    environment: int
    course: Course
    latency_shares: Mapping[str, float]
    throughput_shares: Mapping[str, float]
    memory_bytes: float | None = None
    rss_bytes: float | None = None

    @property
    def long_run_mean_s(self) -> float | None:
        """Mean latency; under an open load in the long run, None where that is unknown."""
        steady = self.course.steady
        if steady is None:
            return self.latency_mean_s
        return steady.latency_mean_s.value if steady.latency_mean_s else None

    @property
    def network_share(self) -> float:
        """Network share of a request over its latency, both means."""
        return self.network_s / self.latency_mean_s


def measure(
    trial: Trial, batch: int, telemetry: Iterable[tuple[str, Mapping[str, Any]]] = (), *, state: int = 0
) -> TrialMeasures:
    """The figures of `trial`, whose requests carried `batch` samples each.

    Args:
        telemetry: Device and sample.
        state: Of the lab, see `controller.results.FoundDevices.states`.

    Raises:
        ResultsError: The trial has no requests, or a hop lacks some of them.
    """
    samples = list(telemetry)
    requests = len(trial.endpoint)
    if requests == 0 or trial.elapsed_s <= 0:
        raise ResultsError(f"trial {trial.number} of cell {trial.cell} has no requests; run it again")
    latency = np.asarray(trial.endpoint["latency_s"], dtype=np.float64)
    records = [rows_of_requests(trial, rows) for rows in trial.records]
    hops = tuple(_hop(trial, index, rows) for index, rows in enumerate(records))
    # Names are read from the file again for every trial.
    between = tuple(
        replace(link, sender=sys.intern(link.sender), receiver=sys.intern(link.receiver))
        for link in trial.links
        if link.sender != link.receiver
    )
    limit = limit_of(trial)
    return TrialMeasures(
        number=trial.number,
        block=comparison_block(trial.number, state),
        requests=requests,
        latency=_quantiles(latency, trial.course),
        latency_mean_s=float(latency.mean()),
        throughput_per_s=throughput_per_s(trial, batch),
        network_s=float(network_s(trial.endpoint, records).mean()),
        source_s=_mean(trial, "wait_source_s"),
        ends_codec_s=_mean(trial, "encode_s") + _mean(trial, "decode_s"),
        prepare_s=_mean(trial, "prepare_s"),
        hops=hops,
        payload_bytes=sum(link.payload_bytes for link in between),
        encoded_bytes=sum(map(encoded_bytes, between)),
        first_payload_bytes=between[0].payload_bytes if between else 0,
        links=between,
        link_use=_interned(link_uses(between)),
        bottleneck=limit.name,
        bottleneck_share=limit.share,
        worst_error=trial.worst_error,
        checked=trial.checked,
        environment=trial.environment,
        course=trial.course,
        latency_shares=_interned(latency_shares(trial)),
        throughput_shares=_interned(throughput_shares(trial, limit)),
        memory_bytes=_fullest_bytes(trial, samples, "process_memory_bytes"),
        rss_bytes=_fullest_bytes(trial, samples, "process_rss_bytes"),
    )


def _interned(by_name: Mapping[str, _Value]) -> Mapping[str, _Value]:
    return {sys.intern(name): value for name, value in by_name.items()}


def _quantiles(latency_s: NDArray[np.float64], course: Course) -> dict[str, float | None]:
    if course.steady is None:
        return {name: None if course.overloaded else quantile(latency_s, q) for name, q in QUANTILES.items()}
    known = course.steady.quantiles_s
    return {name: bounded.value if (bounded := known.get(name)) else None for name in QUANTILES}


def _fullest_bytes(
    trial: Trial, telemetry: Iterable[tuple[str, Mapping[str, Any]]], key: str
) -> float | None:
    """None where a device that took part did not tell."""
    most = {hop.device: 0.0 for hop in trial.hops}
    for device, sample in telemetry:
        if device in most:
            most[device] = max(most[device], float(sample.get(key) or 0))
    return max(most.values()) if most and all(most.values()) else None


def encoded_bytes(link: Link) -> float:
    """What one request puts on a link after its codec, mean over the trial; without one, before it."""
    return float(link.payload_bytes) if link.encoded_bytes is None else link.encoded_bytes


def _mean(trial: Trial, field: str) -> float:
    return float(trial.endpoint[field].mean())


def rows_of_requests(trial: Trial, records: NDArray[np.void]) -> NDArray[Any]:
    """The rows of a hop that belong to the endpoint's requests; each request has exactly one."""
    if np.array_equal(records["request"], trial.endpoint["request"]):
        return records
    requests = np.sort(trial.endpoint["request"])
    rows = records[np.isin(records["request"], requests)]
    if not np.array_equal(np.sort(rows["request"]), requests):
        raise ResultsError(
            f"trial {trial.number} of cell {trial.cell}: a hop has records of {len(rows)} requests, "
            f"the endpoint of {len(requests)}; the results file is not whole"
        )
    return rows


def _columns(rows: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    """[name, row]: fields of records, all of whose fields are of eight bytes."""
    assert rows.dtype.names is not None
    places = [rows.dtype.names.index(name) for name in names]
    whole = np.ascontiguousarray(rows).view(np.float64).reshape(len(rows), -1)
    return np.ascontiguousarray(whole.T[places])


def _hop(trial: Trial, index: int, rows: NDArray[Any]) -> HopMeans:
    hop = trial.hops[index]
    return HopMeans(
        device=sys.intern(hop.device),
        stage=sys.intern(stage_name([each.device for each in trial.hops], index)),
        start=hop.start,
        stop=hop.stop,
        means=_Means(_columns(rows, _MEANS).mean(axis=1).tolist()),
        busy=busy_share(trial, index),
        occupied=occupied_share(trial, rows),
        alone_missing=hop.alone_missing,
    )
