"""edgecut's sockets against PyTorch RPC: the same workers, stages, split and depth, alternating."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from benchmarks.bundles import NULL
from benchmarks.measurement import Bench
from benchmarks.measurements.balance import Balance
from benchmarks.pipelines import alternate, pipeline, run
from controller.experiment.backend import RpcSettings
from controller.results import SOCKET, TORCH_RPC
from controller.results.metrics import throughput_per_s

__all__ = ["SocketOverRpc", "best_split", "null_split"]

_DEPTH = 4
_TURNS = 3
_TRIED = (
    RpcSettings(threads=16, transport="any"),
    RpcSettings(threads=4, transport="any"),
    RpcSettings(threads=1, transport="any"),
    RpcSettings(threads=16, transport="tcp"),
)


@dataclass
class SocketOverRpc:
    """Throughput of sockets over that of PyTorch RPC with its best settings, found in the first round.

    Attributes:
        cut: Chooses the cut.
        check_every: 0 for null stages, where checking would take most of the time.
    """

    key: str
    bundle: str
    cut: Callable[[Bench], int]
    requests: int
    batch: int = 1
    check_every: int = 1
    most_rounds: int | None = 3
    _best: RpcSettings | None = field(default=None, init=False)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.bundle,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Find the best settings in the first round, then compare."""
        if self._best is None:
            self._best = max(_TRIED, key=lambda settings: self._rate(bench, TORCH_RPC, settings))
        best = self._best
        over_sockets, over_rpc = alternate(
            _TURNS, lambda: self._rate(bench, SOCKET), lambda: self._rate(bench, TORCH_RPC, best)
        )
        return {self.key: over_sockets / over_rpc}

    def _rate(self, bench: Bench, backend: str, rpc: RpcSettings | None = None) -> float:
        with pipeline(
            bench.fleet,
            bench.bundles[self.bundle],
            (self.cut(bench),),
            depth=_DEPTH,
            batch=self.batch,
            check_every=self.check_every,
            backend=backend,
            rpc=msgspec.structs.replace(rpc or RpcSettings(), port=_free_port()),
        ) as runner:
            return throughput_per_s(run(runner, self.requests, warmup=5 * _DEPTH), 1)


def best_split(balance: Balance) -> SocketOverRpc:
    """Compare at the best split that `balance` finds."""
    return SocketOverRpc("socket_over_rpc", balance.model, balance.cut, requests=300)


def null_split() -> SocketOverRpc:
    """Compare with null stages and 0.8 MB per request."""
    return SocketOverRpc(
        "socket_over_rpc_null_0m8", NULL, lambda _bench: 2, requests=600, batch=196, check_every=0
    )


def _free_port() -> int:
    """A port without a listener."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])
