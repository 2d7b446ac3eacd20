"""Results files of any number of cells, written by the writer that a sweep uses.

The times follow from real manifests (multiply-adds before a cut, bytes that cross it) and from three devices,
with noise; nothing is run. Everything that a sweep stores is there: records of every request, telemetry,
baselines, sentinels, accuracies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.experiment.cells import label_of
from controller.results import (
    Accuracy,
    BaselineTrial,
    Block,
    Cell,
    DeviceRow,
    Hop,
    Link,
    LinkUse,
    Sentinel,
    Store,
    Trial,
    reference_boxes,
)
from controller.results.provenance import stamp
from exporter.bundle import Bundle
from worker.records import ENDPOINT, HOP

__all__ = ["DEPTHS", "NETWORKS", "TRIALS", "write_results"]

TRIALS: Final = 5
DEPTHS: Final = (1, 4)
NETWORKS: Final = {"lan": (0.2, 1000.0), "wifi": (5.0, 20.0), "lte": (25.0, 10.0)}
"""Delay in ms, one way, and rate in Mbit/s."""
_DEVICES: Final = {"pi1": 2e9, "pi2": 3e9, "server": 4e10}
"""Multiply-adds a second, in the order of the chain."""
_REQUESTS: Final = 36
_SAMPLES: Final = 4
"""Of each device's telemetry, a trial: both as a demo's trials have them on average."""
_OUTPUT_BYTES: Final = 4000
_NOISE: Final = 0.02
_HAND_OVER_S: Final = 5e-5
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BETWEEN_TRIALS: Final = timedelta(seconds=2)

_Split = tuple[tuple[str, ...], tuple[int, ...]]
"""Devices and cuts."""


def write_results(path: Path, bundles: Sequence[Bundle], cells: int, *, trials: int = TRIALS) -> None:
    """Write a finished sweep of so many cells.

    Args:
        path: Of the file, which must not exist.
        bundles: What the cells are of, in equal parts.
        cells: An even number, at least four for each bundle under each network: a split is two cells.
        trials: Of each cell.

    Raises:
        StoreError: The file cannot be written.
        ValueError: The bundles have too few splits.
    """
    with Store.create(
        path,
        name=f"{cells} cells",
        text=f"name: {cells} cells\ntrials: {trials}\n",
        seed=1,
        trials=trials,
        created_at=_BEGAN.isoformat(),
    ) as store:
        # What is written again in seconds need not survive a power failure.
        store.connection.execute("PRAGMA synchronous = OFF")
        writer = _Writer(store, bundles, trials)
        writer.write_setup()
        wanted = list(_cells(bundles, cells))
        store.add(*wanted)
        writer.write_trials(wanted)
        writer.write_around(wanted)


def _cells(bundles: Sequence[Bundle], count: int) -> Iterator[Cell]:
    groups = [(bundle, network) for bundle in bundles for network in NETWORKS]
    splits, more = divmod(count // len(DEPTHS), len(groups))
    for number, (bundle, network) in enumerate(groups):
        for devices, cuts in _splits(bundle, splits + (number < more)):
            for depth in DEPTHS:
                yield Cell(
                    model=bundle.manifest.model,
                    bundle=bundle.digest,
                    cuts=cuts,
                    label=label_of(bundle, cuts),
                    devices=devices,
                    depth=depth,
                    network=network,
                    shaping="emulated",
                )


def _splits(bundle: Bundle, count: int) -> list[_Split]:
    """Both ends, then clean cuts of the outer two devices, then pairs of cuts of all three, evenly spread."""
    first, _, last = devices = tuple(_DEVICES)
    inner = bundle.clean_cuts()
    ends = [((first, last), (0,)), ((first, last), (bundle.node_count,))]
    of_two = _spread([((first, last), (cut,)) for cut in inner], count - len(ends))
    of_three = _spread([(devices, pair) for pair in combinations(inner, 2)], count - len(ends) - len(of_two))
    chosen = [*ends, *of_two, *of_three]
    if len(chosen) < count:
        raise ValueError(f"{bundle.manifest.model} has {len(chosen)} splits of two and three, not {count}")
    return chosen


def _spread(values: Sequence[_Split], count: int) -> list[_Split]:
    if count <= 0:
        return []
    places = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    return [values[place] for place in places]


@dataclass
class _Writer:
    store: Store
    bundles: Sequence[Bundle]
    trials: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(1)
        self._by_digest = {bundle.digest: bundle for bundle in self.bundles}
        self._environment = 0

    def write_setup(self) -> None:
        """The environment, its devices, bundles, networks and blocks."""
        at = _BEGAN.isoformat()
        own = stamp("bench-report")
        devices = [DeviceRow(name, "local", 1.0, {**own, "device": name}) for name in _DEVICES]
        self._environment = self.store.add_environment(at, own, devices)
        for bundle in self.bundles:
            text = (bundle.path / "manifest.json").read_text(encoding="utf-8")
            self.store.add_bundle(bundle.digest, bundle.manifest.model, text)
        for position, (name, (delay_ms, rate_mbit)) in enumerate(NETWORKS.items()):
            conditions = {"delay_ms": delay_ms, "rate_mbit": rate_mbit}
            self.store.add_network(name, position, "emulated", conditions)
            self.store.add(*(Block(name, block, at, whole=True) for block in range(self.trials)))

    def write_trials(self, cells: Sequence[Cell]) -> None:
        """Every cell's trials, block by block."""
        ran = 0
        for block in range(self.trials):
            for cell in cells:
                at = (_BEGAN + ran * _BETWEEN_TRIALS).isoformat()
                self.store.add_trial(self._trial(cell, block, at))
                ran += 1

    def write_around(self, cells: Sequence[Cell]) -> None:
        """What a sweep measures beside its cells."""
        at = _BEGAN.isoformat()
        for bundle in self.bundles:
            for network in NETWORKS:
                for device, rate in _DEVICES.items():
                    whole_s = bundle.manifest.multiply_adds / rate
                    for block in range(self.trials):
                        row = BaselineTrial(
                            *(bundle.manifest.model, network, bundle.digest, device, 1, block, 1, at),
                            self._times(whole_s, 20),
                        )
                        self.store.add(row, environment=self._environment)
        for network in NETWORKS:
            for block in range(self.trials):
                for device in _DEVICES:
                    row_of = Sentinel(network, block, device, "", at, self._times(0.01, 21))
                    self.store.add(row_of, environment=self._environment)
        cut = {(cell.bundle, cell.cuts) for cell in cells}
        self.store.add(*(Accuracy(bundle, cuts, 128, 0.7, 0.7, 3e-7) for bundle, cuts in sorted(cut)))
        self.store.add(*reference_boxes(self.store, list(NETWORKS)))

    def _times(self, seconds: float, count: int) -> tuple[float, ...]:
        return tuple((seconds * (1 + _NOISE * np.abs(self._rng.standard_normal(count)))).tolist())

    def _trial(self, cell: Cell, block: int, at: str) -> Trial:
        """A closed loop: latency is that of the slowest stage or link once the depth fills the pipeline."""
        plan = _Plan.of(cell, self._by_digest[cell.bundle])
        slower = 1 + _NOISE * self._rng.standard_normal(len(plan.hops))
        alone_s = plan.compute_s * slower
        slowest_s = float(max([*alone_s, *plan.link_s]))
        waits_s = max(0.0, cell.depth * slowest_s - float(alone_s.sum()) - plan.network_s)
        spread = 1 + _NOISE * np.abs(self._rng.standard_normal((len(plan.hops) + 1, _REQUESTS)))
        compute_s = alone_s[:, None] * spread[:-1]
        endpoint = np.zeros(_REQUESTS, ENDPOINT)
        endpoint["request"], endpoint["counted"] = np.arange(_REQUESTS), 1
        endpoint["latency_s"] = plan.network_s * spread[-1] + compute_s.sum(axis=0) + waits_s
        elapsed_s = float(endpoint["latency_s"].sum()) / cell.depth
        # Time begins with the first request, which is due at once.
        first_s = float(endpoint["latency_s"][0])
        endpoint["finished_at_s"] = np.linspace(first_s, elapsed_s, _REQUESTS)
        endpoint["scheduled_at_s"] = endpoint["finished_at_s"] - endpoint["latency_s"]
        hops = tuple(
            Hop(device, start, stop, 1, 0.01, float(seconds))
            for (device, start, stop), seconds in zip(plan.hops, alone_s, strict=True)
        )
        return Trial(
            cell=cell.id,
            number=block,
            started_at=at,
            elapsed_s=elapsed_s,
            checked=_REQUESTS,
            worst_error=2e-7,
            hops=hops,
            links=plan.links(elapsed_s),
            endpoint_rows=endpoint,
            hop_rows=tuple(self._hop_rows(compute_s, waits_s, plan, elapsed_s)),
            environment=self._environment,
            telemetry={device: self._samples(elapsed_s) for device in dict.fromkeys(cell.devices)},
        )

    def _hop_rows(
        self, compute_s: NDArray[np.float64], waits_s: float, plan: "_Plan", elapsed_s: float
    ) -> Iterator[NDArray[Any]]:
        for i, seconds in enumerate(compute_s):
            rows = np.zeros(_REQUESTS, HOP)
            rows["request"] = np.arange(_REQUESTS)
            rows["received_at_s"] = np.linspace(0, elapsed_s, _REQUESTS, endpoint=False)
            rows["compute_at_s"] = rows["received_at_s"] + _HAND_OVER_S
            rows["wait_compute_s"] = waits_s if i == 0 else 0.0
            rows["compute_s"] = seconds
            rows["receive_s"] = plan.link_s[i - 1] if 0 < i <= len(plan.link_s) else 0.0
            rows["send_s"] = plan.link_s[i] if i < len(plan.link_s) else 0.0
            yield rows

    def _samples(self, elapsed_s: float) -> list[Mapping[str, Any]]:
        """The first is of before the trial."""
        levels = self._rng.random((_SAMPLES, 4)).tolist()
        return [
            {
                "at_s": elapsed_s * i / (_SAMPLES - 1),
                "process_cpu_percent": 90 + 10 * levels[i][0],
                "host_cpu_percent": 40 + 20 * levels[i][1],
                "process_memory_bytes": int(4e7 + 1e6 * levels[i][2]),
                "process_rss_bytes": int(8e7 + 1e6 * levels[i][2]),
                "frequency_mhz": 1500 + 5 * levels[i][3],
                "temperature_c": 55 + 3 * levels[i][3],
            }
            for i in range(_SAMPLES)
        ]


@dataclass(frozen=True)
class _Plan:
    """What a cell computes where, and sends, in seconds for one request.

    Attributes:
        hops: Device, first and last node of each stage.
        ways: Sender, receiver and bytes of each link.
    """

    hops: tuple[tuple[str, int, int], ...]
    compute_s: NDArray[np.float64]
    ways: tuple[tuple[str, str, int], ...]
    link_s: tuple[float, ...]
    network_s: float

    @classmethod
    def of(cls, cell: Cell, bundle: Bundle) -> "_Plan":
        edges = (0, *cell.cuts, bundle.node_count)
        hops = tuple(
            (device, start, stop)
            for device, (start, stop) in zip(cell.devices, pairwise(edges), strict=True)
            if stop > start
        )
        whole = bundle.manifest.multiply_adds
        shares = ((device, _share(bundle, b) - _share(bundle, a)) for device, a, b in hops)
        compute_s = np.array([share * whole / _DEVICES[device] for device, share in shares])
        stops = [cell.devices[0], *(device for device, *_ in hops), cell.devices[0]]
        starts = [0, *(start for _, start, _ in hops), bundle.node_count]
        ways = tuple(
            (sender, receiver, _bytes(bundle, cut))
            for (sender, receiver), cut in zip(pairwise(stops), starts[1:], strict=True)
            if sender != receiver
        )
        delay_ms, rate_mbit = NETWORKS[cell.network]
        link_s = tuple(size * 8 / (rate_mbit * 1e6) for *_, size in ways)
        network_s = _HAND_OVER_S + sum(link_s) + len(ways) * delay_ms * 1e-3
        return cls(hops, np.maximum(compute_s, 1e-6), ways, link_s, network_s)

    def links(self, elapsed_s: float) -> tuple[Link, ...]:
        """The links of a trial that took so long."""
        if not self.ways:
            device = self.hops[0][0]
            return (Link(device, device, _OUTPUT_BYTES),)
        return tuple(
            Link(
                *way,
                # The first frame begins the account.
                use=LinkUse("emulation", _REQUESTS - 1, elapsed_s, (_REQUESTS - 1) * seconds, 0, 0, 0, 0, 0),
            )
            for way, seconds in zip(self.ways, self.link_s, strict=True)
        )


def _share(bundle: Bundle, cut: int) -> float:
    """Of the multiply-adds, before a cut."""
    if cut in (0, bundle.node_count):
        return float(cut > 0)
    return bundle.cut_points[cut - 1].macs_before_share


def _bytes(bundle: Bundle, cut: int) -> int:
    if cut == bundle.node_count:
        return _OUTPUT_BYTES
    return sum(tensor.bytes_per_sample for tensor in bundle.tensors_at(cut))
