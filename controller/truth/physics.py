"""The true figures of a planted cell in a closed loop: they follow from its planted times and its network.

A request passes stages and links one after the other. Each of them carries one request at a time, so with
enough requests in flight the slowest sets the period; with fewer, the depth and the time of one request do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from controller.experiment.networks import Network
from controller.experiment.planted import planted_time
from controller.experiment.topology import partitions_of, stage_links, tensor_specs
from controller.lab.inventory import Lab
from controller.results import Cell
from controller.results.metrics import stage_name
from exporter.bundle import Bundle
from worker.wire.ethernet import ethernet_bytes
from worker.wire.frames import LinkLayout
from worker.wire.messages import PlantedTime

__all__ = ["Truth", "truth_of"]


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
        is_regular: Whether every request takes the same time.
    """

    stages_s: Mapping[str, float]
    links_s: Mapping[str, float]
    network_s: float
    period_s: float
    bottleneck: str
    latency_s: float | None
    throughput_per_s: float | None
    payload_bytes: int
    is_regular: bool


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
    """The truth of a cell of the null model: a chain over sockets without codecs, from device to device.

    Args:
        requests: Numbers of the requests of a trial that count.
        slowdowns: By device, where it is not 1.
        burst_bytes: By device, what its link passes at once after a pause, where it does (tbf).
    """
    partitions = partitions_of(cell, bundle)
    devices = [device for device, _, _ in partitions]
    stages_s, is_regular = {}, True
    for position, (device, start, stop) in enumerate(partitions):
        planted = planted_time(cell.planted, device, start, stop, seed=0) or PlantedTime(seconds=0.0)
        is_regular &= not (planted.modes or planted.stall_every or planted.phases)
        mean_s = _mean_s(planted, requests) * slowdowns.get(device, 1.0)
        stages_s[stage_name(devices, position)] = mean_s
    sending_s: dict[str, float] = {}
    network_s, payload_bytes = 0.0, 0
    crossed = [0, *(stop for _, _, stop in partitions)]
    for link, cut in zip(stage_links(cell, bundle), crossed, strict=True):
        if link.sender == link.receiver:
            continue
        payload_bytes += link.payload_bytes
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
    parts_s = stages_s | sending_s
    bottleneck = max(parts_s, key=lambda name: parts_s[name])
    alone_s = network_s + sum(stages_s.values())
    period_s = max(parts_s[bottleneck], alone_s / cell.depth)
    known = is_regular or cell.depth == 1
    return Truth(
        stages_s=stages_s,
        links_s=sending_s,
        network_s=network_s,
        period_s=parts_s[bottleneck],
        bottleneck=bottleneck,
        latency_s=cell.depth * period_s if known else None,
        throughput_per_s=cell.batch / period_s if known else None,
        payload_bytes=payload_bytes,
        is_regular=is_regular,
    )


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
