"""The cost of secured connections."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.bundles import NULL
from benchmarks.local_workers import Fleet
from benchmarks.measurement import Bench
from benchmarks.measurements.balance import Balance
from benchmarks.pipelines import alternate, pipeline, run
from controller.results.metrics import throughput_per_s
from worker.wire.control import ControlConnection

__all__ = ["SecurityCost"]

_DEPTH = 4
_TURNS = 3
_CONNECTIONS = 60


@dataclass(frozen=True)
class SecurityCost:
    """Throughput with TLS over that without, alternating, and the time to connect with each kind.

    Attributes:
        balance: Provides the model and the split.
    """

    balance: Balance
    requests: int = 300
    null_requests: int = 600
    null_batch: int = 196
    most_rounds: int | None = 3
    keys: tuple[str, ...] = (
        "tls_cost_null_0m8",
        "tls_cost_mobilenet_v2",
        "tls_connect_ms",
        "auth_connect_ms",
        "connect_ms",
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (NULL, self.balance.model)

    def run(self, bench: Bench) -> Mapping[str, float]:
        cut = self.balance.cut(bench)
        bundles = [bench.bundles[name] for name in self.needs]
        with Fleet(bench.cores, bundles, security="tls") as tls:
            null = _cost(bench, tls, NULL, 2, self.null_requests, batch=self.null_batch, check_every=0)
            model = _cost(bench, tls, self.balance.model, cut, self.requests)
            tls_s = _connect_s(tls)
        with Fleet(bench.cores, [], security="key") as key:
            key_s = _connect_s(key)
        values = (null, model, tls_s * 1e3, key_s * 1e3, _connect_s(bench.fleet) * 1e3)
        return dict(zip(self.keys, values, strict=True))


def _cost(
    bench: Bench, tls: Fleet, name: str, cut: int, requests: int, *, batch: int = 1, check_every: int = 1
) -> float:
    def rate(fleet: Fleet) -> float:
        with pipeline(
            fleet,
            bench.bundles[name],
            (cut,),
            depth=_DEPTH,
            batch=batch,
            check_every=check_every,
        ) as runner:
            return throughput_per_s(run(runner, requests, warmup=5 * _DEPTH), 1)

    without, over_tls = alternate(_TURNS, lambda: rate(bench.fleet), lambda: rate(tls))
    return over_tls / without


def _connect_s(fleet: Fleet) -> float:
    """Median time until a worker accepts a request: TCP, preambles and proofs."""
    lab = fleet.lab()
    security, device = lab.load_security(), lab.devices[0]
    times_s = []
    for _ in range(_CONNECTIONS):
        began_s = time.perf_counter()
        connection = ControlConnection.open(device.host, device.control_port, security, expected=device.name)
        times_s.append(time.perf_counter() - began_s)
        connection.close()
    return statistics.median(times_s)
