"""Replicas, predicted: the whole model on every device, and each request dealt to whichever is free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.data.sweep import Baseline, Network, Sweep
from controller.results import Cell

__all__ = ["Replicas", "replicas_of"]


@dataclass(frozen=True)
class Replicas:
    """What would come of it, by baselines and links.

    Attributes:
        throughput_per_s: Samples a second: the sum of the baselines, of each at most what its link carries of
            inputs.
        devices: Those that have a baseline.
    """

    throughput_per_s: float
    devices: tuple[str, ...]


def replicas_of(sweep: Sweep, network: Network, cell: Cell) -> Replicas | None:
    """Replicas on the devices of a cell, with its batch; requests begin and end on its first device.

    None with a single device, where a device has no baseline, or where nothing tells what a link carries:
    its rate is not shaped, and no sweep measured it.
    """
    devices = list(dict.fromkeys(cell.devices))
    input_bytes = sweep.input_bytes(cell.bundle)
    if len(devices) < 2 or cell.source != "first" or input_bytes is None:
        return None
    total = 0.0
    for device in devices:
        rate = _baseline_rate(sweep.baselines, network, cell, device)
        mbit = math.inf if device == devices[0] else _mbit(sweep, network, devices[0], device)
        if rate is None or mbit is None:
            return None
        total += min(rate, mbit * 1e6 / 8 / input_bytes)
    return Replicas(total, tuple(devices))


def _baseline_rate(baselines: Sequence[Baseline], network: Network, cell: Cell, device: str) -> float | None:
    key = cell.bundle, network.name, device, cell.batch
    rates = [
        b.throughput.value
        for b in baselines
        if (b.bundle, b.network, b.device, b.batch) == key and cell.threads in (None, b.threads)
    ]
    return rates[0] if rates else None


def _mbit(sweep: Sweep, network: Network, sender: str, receiver: str) -> float | None:
    """The rate from one device to another: as the network limits it, else as it was measured."""
    if network.shaping != "none":
        names = [device.name for device in sweep.devices]
        if not {sender, receiver} <= set(names):
            return None
        way = "forward" if names.index(sender) < names.index(receiver) else "backward"
        rate: float | None = _direction(network.requested, f"{sender} -> {receiver}", way).get("rate_mbit")
        if rate is not None or network.shaping == "emulated":
            return math.inf if rate is None else rate
    measured = [
        k for k in sweep.links if (k.network, k.sender, k.receiver) == (network.name, sender, receiver)
    ]
    return measured[-1].measured.get("tcp_mbit") if measured else None


def _direction(requested: Mapping[str, Any], pair: str, way: str) -> Mapping[str, Any]:
    direction: Mapping[str, Any] = (requested.get("pairs") or {}).get(pair) or requested.get(way) or requested
    return direction
