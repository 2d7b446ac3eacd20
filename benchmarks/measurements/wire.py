"""The time that the runtime adds to the wire, measured with null stages."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.bundles import NULL, NULL_SAMPLE_BYTES
from benchmarks.local_workers import DEVICES
from benchmarks.measurement import Bench
from benchmarks.measurements.ping_pong import half_round_trip_s
from benchmarks.pipelines import alternate, pipeline, run
from controller.results.metrics import latency_s, throughput_per_s
from worker.wire.ethernet import ethernet_bytes

__all__ = ["HopExcess", "LinkFill", "NullRate"]

_HOPS = 4
_PAUSES = 3


@dataclass(frozen=True)
class HopExcess:
    """The time of a hop of null stages at depth 1, less half the round trip of a bare ping-pong.

    It excludes the recorded time in which a null stage copies the payload: that is the stage's work, not the
    runtime's.
    """

    name: str
    batch: int
    requests: int = 200
    most_rounds: int | None = None
    needs: tuple[str, ...] = (NULL,)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f"hop_{what}_ms_{self.name}" for what in ("excess", "whole", "copy", "bound"))

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Alternate wire and hops, so that a disturbance affects both."""
        halves_ms, hops_ms = [], []
        for _ in range(_PAUSES):
            halves_ms.append(self._half_ms(bench))
            hops_ms.append(self._hop_and_copy_ms(bench))
        half_ms = statistics.median(halves_ms)
        whole_ms, copy_ms = (statistics.median(parts) for parts in zip(*hops_ms, strict=True))
        values = (whole_ms - copy_ms - half_ms, whole_ms, copy_ms, 0.15 + 0.25 * half_ms)
        return dict(zip(self.keys, values, strict=True))

    def _half_ms(self, bench: Bench) -> float:
        return half_round_trip_s(self.batch * NULL_SAMPLE_BYTES, self.requests, bench.cores) * 1e3

    def _hop_and_copy_ms(self, bench: Bench) -> tuple[float, float]:
        with pipeline(
            bench.fleet,
            bench.bundles[NULL],
            range(1, _HOPS),
            depth=1,
            batch=self.batch,
            devices=DEVICES * (_HOPS // len(DEVICES)),
            check_every=0,
        ) as runner:
            trial = run(runner, self.requests, warmup=20)
        whole_s = latency_s(trial) / _HOPS
        copy_s = statistics.mean(float(np.median(hop["compute_s"])) for hop in trial.records)
        return whole_s * 1e3, copy_s * 1e3


@dataclass(frozen=True)
class NullRate:
    """The highest request rate of the runtime, with records of every hop and without."""

    requests: int = 10_000
    most_rounds: int | None = None
    keys: tuple[str, ...] = ("null_requests_per_s", "records_cost")
    needs: tuple[str, ...] = (NULL,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        with_records, without = alternate(
            _PAUSES, lambda: self._rate(bench, True), lambda: self._rate(bench, False)
        )
        return {"null_requests_per_s": with_records, "records_cost": with_records / without}

    def _rate(self, bench: Bench, records: bool) -> float:
        with pipeline(
            bench.fleet, bench.bundles[NULL], (_HOPS // 2,), depth=16, check_every=0, records=records
        ) as runner:
            return throughput_per_s(run(runner, self.requests, warmup=500), 1)


@dataclass(frozen=True)
class LinkFill:
    """The share of an emulated link that a pipeline limited by it uses."""

    rate_mbit: float = 100.0
    requests: int = 20
    most_rounds: int | None = None
    keys: tuple[str, ...] = ("link_fill",)
    needs: tuple[str, ...] = ("mobilenet_v2",)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Cut at the largest payload."""
        bundle = bench.bundles["mobilenet_v2"]
        cut = max(bundle.clean_cuts(), key=lambda cut: bundle.cut_points[cut - 1].bytes_per_sample)
        with pipeline(bench.fleet, bundle, (cut,), depth=4, rate_mbit=self.rate_mbit) as runner:
            trial = run(runner, self.requests, warmup=4)
        payload_bytes = next(link.payload_bytes for link in trial.links if link.sender != link.receiver)
        bits = 8 * ethernet_bytes(payload_bytes)
        return {"link_fill": bits * throughput_per_s(trial, 1) / (self.rate_mbit * 1e6)}
