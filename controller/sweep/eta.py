"""How long a sweep will take: good enough for a progress bar, never a result.

A request costs what its stages compute and its links carry; compute time is the whole model's on
that device, shared out by multiply-adds. Once trials have run, what they really took corrects the rest.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controller.experiment.load import Load, parse_load
from controller.experiment.networks import Network
from controller.experiment.schema import Experiment
from controller.experiment.topology import route
from controller.lab.inventory import Lab
from controller.pipeline.trial import MOST_RUNS
from controller.results import Cell
from controller.statistics.relaxation import requests_needed, warmup_needed
from controller.sweep.saturation import saturating_depth
from exporter.bundle import Bundle

__all__ = ["TimeEstimate", "request_s"]

_SETUP_S = 0.4
_UNKNOWN_S = 1.0
"""Of a whole model that no device could run."""
_LEFT = {"fp16": 0.5, "uint8": 0.25, "uint8+zstd": 0.25}
"""What these codecs leave of a payload of floats; what others leave depends on what it is."""


@dataclass
class TimeEstimate:
    """Seconds that trials take, corrected by those that ran.

    Attributes:
        whole_model_s: Seconds for one sample of a bundle (digest) on a device, by both names; a device
            without is as slow as the slowest.
    """

    experiment: Experiment
    lab: Lab
    bundles: Mapping[str, Bundle]
    networks: Mapping[str, Network]
    whole_model_s: dict[tuple[str, str], float]
    _ratios: list[float] = field(default_factory=list)
    # All that is left is summed up before each trial.
    _seconds: dict[str, float] = field(default_factory=dict)

    def _visit_s(self, cell: Cell) -> float:
        """Seconds for one trial of a cell, set-up and warm-up included."""
        if cell.id not in self._seconds:
            self._seconds[cell.id] = self._estimated_s(cell)
        return self._seconds[cell.id]

    def at_its_depth(self, cell: Cell) -> Cell:
        """A cell at its depth; one whose depth is unknown where its throughput will probably be flat."""
        return cell if cell.depth else replace(cell, depth=saturating_depth(*self._request_s(cell)))

    def _request_s(self, cell: Cell) -> tuple[float, float]:
        network = self.networks[cell.network]
        return request_s(cell, self.bundles[cell.bundle], self.lab, network, self.whole_model_s)

    def _estimated_s(self, cell: Cell) -> float:
        depth_1_s, interval_s = self._request_s(cell)
        cell = self.at_its_depth(cell)
        each_s = depth_1_s if cell.depth == 1 else max(interval_s, depth_1_s / cell.depth)
        load = parse_load(cell.load)
        requests = self.experiment.requests_of(cell)
        if load.rate_per_s is not None:
            utilisation = load.rate_per_s * each_s
            if self.experiment.may_lengthen:
                requests = max(requests, requests_needed(utilisation, load.rate_per_s))
            requests += warmup_needed(utilisation, load.rate_per_s)
        trial_s = _trial_s(load, requests, each_s)
        if self.experiment.duration_s is not None:
            trial_s = max(trial_s, self.experiment.duration_s * _runs(load))
        return _SETUP_S + max(self.experiment.warmup, cell.depth) * each_s + trial_s

    def learn(self, cell: Cell, took_s: float) -> None:
        """Correct by a trial that ran whole."""
        self._ratios.append(took_s / self._visit_s(cell))

    def left_s(self, trials: Iterable[tuple[Cell, int]]) -> float:
        """Seconds that so many trials of each of these cells will take."""
        ratio = statistics.median(self._ratios[-30:]) if self._ratios else 1.0
        return ratio * sum(count * self._visit_s(cell) for cell, count in trials)


def _runs(load: Load) -> int:
    """Runs that a trial is made of: a search has one to see what can be done, then some at a rate."""
    return 1 if load.quantile is None else 1 + MOST_RUNS // 2


def _trial_s(load: Load, requests: int, each_s: float) -> float:
    if load.rate_per_s is not None:
        return requests * max(each_s, 1 / load.rate_per_s)
    # Rates between half the capacity and all of it.
    return requests * each_s * (1 + (_runs(load) - 1) * 1.5)


def request_s(
    cell: Cell,
    bundle: Bundle,
    lab: Lab,
    network: Network,
    whole_model_s: Mapping[tuple[str, str], float],
) -> tuple[float, float]:
    """Seconds of one request at depth 1, and seconds between two when the slowest part is always busy."""
    shares = [0.0, *(_macs_before(bundle, cut) for cut in cell.cuts), 1.0]
    compute_s = dict.fromkeys(cell.devices, 0.0)
    for device, before, after in zip(cell.devices, shares[:-1], shares[1:], strict=True):
        compute_s[device] += (after - before) * _whole_s(whole_model_s, cell.bundle, device) * cell.batch
    links = [link for link in route(cell, bundle) if link.sender != link.receiver]
    link_s = []
    delay_s = 0.0
    for link in links:
        forward = lab.is_forward(link.sender, link.receiver)
        direction = network.between(link.sender, link.receiver, forward=forward)
        link_bytes = link.payload_bytes * _LEFT.get(link.codec.partition(":")[0], 1.0)
        link_s.append(link_bytes * 8 / (direction.rate_mbit * 1e6) if direction.rate_mbit else 0.0)
        delay_s += direction.delay_ms / 1e3
    return sum(compute_s.values()) + sum(link_s) + delay_s, max([*compute_s.values(), *link_s])


def _whole_s(known: Mapping[tuple[str, str], float], bundle: str, device: str) -> float:
    """Of a device that could not run the whole model, which may be why it is split: as on the slowest."""
    if (bundle, device) in known:
        return known[bundle, device]
    alike = [seconds for (digest, _), seconds in known.items() if digest == bundle]
    return max(alike or known.values(), default=_UNKNOWN_S)


def _macs_before(bundle: Bundle, cut: int) -> float:
    if cut == 0:
        return 0.0
    return 1.0 if cut == bundle.node_count else bundle.cut_points[cut - 1].macs_before_share
