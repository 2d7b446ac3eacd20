"""The true figures of a planted cell in a closed loop: they follow from its planted times and its network.

A request passes stages and links one after the other. Each of them carries one request at a time, so with
enough requests in flight the slowest sets the period; with fewer, the depth and the time of one request do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.experiment.networks import Network
from controller.experiment.planted import planted_time
from controller.experiment.topology import partitions_of, stage_links, tensor_specs
from controller.lab.inventory import Lab
from controller.results import Cell
from controller.results.metrics import QUANTILES, stage_name
from exporter.bundle import Bundle
from worker.wire.ethernet import ethernet_bytes
from worker.wire.frames import LinkLayout
from worker.wire.messages import PlantedTime

__all__ = ["Truth", "baseline_s", "truth_of"]

_HANDOVERS: Final = 4
"""Threads that wake one after the other for a request in a stage, its source or sink included."""

_EDGE: Final = 0.05

_ENCODED: Final = {"none": 1.0, "fp16": 0.5}
"""What codecs leave of float32."""


@dataclass(frozen=True)
class Truth:
    """What is true of a cell, in seconds and requests per second.

    Attributes:
        stages_s: Mean time of each stage, by its name, in the order of the chain.
        links_s: What one request takes of each emulated way between two devices, as in `pi -> server`.
        network_s: What one request spends on links, alone in the pipeline.
        period_s: Between two results with requests enough in flight: the time of the slowest stage or link.
        bottleneck: Its name.
        latency_s: Of a request, at the cell's depth; None with the next where times are irregular above depth
            1, when queues have no simple truth.
        is_saturated: Whether there are requests enough in flight for that.
        quantiles_s: Of latency, by name; those that are known.
        link_payload_bytes: Of each link between devices, in the order of the chain.
        link_encoded_bytes: The same after its codec.
        spins: The stages that keep a core busy.
        is_regular: Whether every request takes the same time.
        has_slow_phase: Whether some part of a trial is slower than the rest.
        late: By how much, relative, latency and throughput are off if threads wake a second late.
    """

    stages_s: Mapping[str, float]
    links_s: Mapping[str, float]
    network_s: float
    period_s: float
    bottleneck: str
    latency_s: float | None
    throughput_per_s: float | None
    is_saturated: bool
    quantiles_s: Mapping[str, float]
    link_payload_bytes: tuple[int, ...]
    link_encoded_bytes: tuple[float, ...]
    spins: frozenset[str]
    is_regular: bool
    has_slow_phase: bool
    late: float

    @property
    def payload_bytes(self) -> int:
        """What a request puts on all links between devices."""
        return sum(self.link_payload_bytes)

    @property
    def encoded_bytes(self) -> float:
        """The same after the codecs."""
        return sum(self.link_encoded_bytes)


def truth_of(
    cell: Cell,
    bundle: Bundle,
    lab: Lab,
    network: Network,
    *,
    requests: range,
    slowdowns: Mapping[str, float],
    burst_bytes: Mapping[str, float],
) -> Truth:
    """The truth of a cell of the null model: a chain over sockets, from device to device.

    Codecs are for links without a rate.

    Args:
        requests: Numbers of the requests of a trial that count.
        slowdowns: By device, where it is not 1.
        burst_bytes: By device, what its link passes at once after a pause, where it does (tbf).
    """
    planted = _planted(cell, bundle)
    stages_s = {
        stage: _mean_s(time, requests) * slowdowns.get(device, 1.0)
        for stage, (device, time) in planted.items()
    }
    sending_s, network_s, payloads, encoded = _links(cell, bundle, lab, network, burst_bytes)
    parts_s = stages_s | sending_s
    bottleneck = max(parts_s, key=lambda name: parts_s[name])
    alone_s = network_s + sum(stages_s.values())
    period_s = max(parts_s[bottleneck], alone_s / cell.depth)
    times = [time for _, time in planted.values()]
    is_regular = not any(time.modes or time.stall_every or time.phases for time in times)
    known = is_regular or cell.depth == 1
    quantiles_s = dict.fromkeys(QUANTILES, cell.depth * period_s) if is_regular else {}
    if cell.depth == 1 and len(times) == 1 and not (times[0].stall_every or times[0].phases):
        quantiles_s = _quantiles_s(times[0], alone_s)
    return Truth(
        stages_s=stages_s,
        links_s=sending_s,
        network_s=network_s,
        period_s=parts_s[bottleneck],
        bottleneck=bottleneck,
        latency_s=cell.depth * period_s if known else None,
        throughput_per_s=cell.batch / period_s if known else None,
        is_saturated=period_s == parts_s[bottleneck],
        quantiles_s=quantiles_s,
        link_payload_bytes=payloads,
        link_encoded_bytes=encoded,
        spins=frozenset(stage for stage, (_, time) in planted.items() if time.how == "spin"),
        is_regular=is_regular,
        has_slow_phase=any(time.phases for time in times),
        late=_HANDOVERS * len(stages_s) / period_s if period_s else 0.0,
    )


def _planted(cell: Cell, bundle: Bundle) -> dict[str, tuple[str, PlantedTime]]:
    """Device and planted time of each stage, in the order of the chain."""
    partitions = partitions_of(cell, bundle)
    devices = [device for device, _, _ in partitions]
    return {
        stage_name(devices, position): (
            device,
            planted_time(cell.planted, device, start, stop, seed=0) or PlantedTime(seconds=0.0),
        )
        for position, (device, start, stop) in enumerate(partitions)
    }


def _links(
    cell: Cell, bundle: Bundle, lab: Lab, network: Network, burst_bytes: Mapping[str, float]
) -> tuple[dict[str, float], float, tuple[int, ...], tuple[float, ...]]:
    """Seconds that a request takes of each way, and in all; bytes of each link, and encoded ones."""
    sending_s: dict[str, float] = {}
    network_s = 0.0
    payloads, encoded = [], []
    crossed = [0, *(stop for _, _, stop in partitions_of(cell, bundle))]
    for link, cut in zip(stage_links(cell, bundle), crossed, strict=True):
        if link.sender == link.receiver:
            continue
        payloads.append(link.payload_bytes)
        encoded.append(link.payload_bytes * _ENCODED[link.codec])
        if cell.shaping == "none":
            continue
        forward = lab.is_forward(link.sender, link.receiver)
        conditions = network.between(link.sender, link.receiver, forward=forward)
        frame_bytes = LinkLayout(tensor_specs(bundle.tensors_at(cut), cell.batch)).frame_bytes
        way = f"{link.sender} -> {link.receiver}"
        bytes_per_s = (conditions.rate_mbit or math.inf) * 1e6 / 8
        carried_bytes = ethernet_bytes(frame_bytes)
        sending_s[way] = sending_s.get(way, 0.0) + carried_bytes / bytes_per_s
        held_bytes = max(0.0, carried_bytes - burst_bytes.get(link.sender, 0.0))
        network_s += conditions.delay_ms / 1e3 + held_bytes / bytes_per_s
    return sending_s, network_s, tuple(payloads), tuple(encoded)


def _quantiles_s(planted: PlantedTime, mean_s: float) -> dict[str, float]:
    """Quantiles of a time with modes, but those near the edge of one: there the draws decide."""
    weights = sum(weight for _, weight in planted.modes)
    factors = sorted(planted.modes)
    mean = sum(factor * weight for factor, weight in factors) / weights if weights else 1.0
    if not weights:
        return dict.fromkeys(QUANTILES, mean_s)
    known = {}
    for name, quantile in QUANTILES.items():
        below = 0.0
        for factor, weight in factors:
            if below / weights + _EDGE <= quantile <= min(1.0, (below + weight) / weights - _EDGE) or (
                factor == factors[-1][0] and below / weights + _EDGE <= quantile
            ):
                known[name] = mean_s * factor / mean
            below += weight
    return known


def baseline_s(bundle: Bundle, planted: str | None, device: str, slowdown: float) -> float | None:
    """What the whole model takes in a bare loop on a device; None where it computes."""
    whole = planted_time(planted, device, 0, bundle.node_count, seed=0)
    return None if whole is None else _mean_s(whole, range(1)) * slowdown


def _mean_s(planted: PlantedTime, requests: range) -> float:
    """Expected mean time of a stage over these requests, of which phases may cover some.

    Phases in seconds do not count: which requests they cover depends on all other times.
    """
    weights = sum(weight for _, weight in planted.modes)
    factor = sum(factor * weight for factor, weight in planted.modes) / weights if weights else 1.0
    total_s = 0.0
    for request in requests:
        seconds = planted.seconds * factor
        if planted.stall_every and request % planted.stall_every == planted.stall_every - 1:
            seconds += planted.stall_s
        for phase in planted.phases:
            if phase.unit == "requests" and phase.start <= request < phase.stop:
                seconds *= phase.factor
        total_s += seconds
    return total_s / len(requests)
