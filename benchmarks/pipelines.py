"""Pipelines of the benchmark's workers, run as in a sweep."""

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.local_workers import DEVICES, Fleet
from controller.experiment.backend import RpcSettings
from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.results import SOCKET, Settings, Trial
from exporter.bundle import Bundle
from worker.wire.messages import Run

__all__ = ["alternate", "pipeline", "run"]

_TIMEOUT_S = 120.0
_USUAL_RPC = RpcSettings()
_numbers = itertools.count()


def pipeline(
    fleet: Fleet,
    bundle: Bundle,
    cuts: Sequence[int],
    *,
    depth: int,
    batch: int = 1,
    devices: Sequence[str] = DEVICES,
    rate_mbit: float | None = None,
    check_every: int = 1,
    records: bool = True,
    backend: str = SOCKET,
    rpc: RpcSettings = _USUAL_RPC,
) -> PipelineRunner:
    """Plan a pipeline, which entering builds; with a rate, its links are emulated."""
    settings = Settings(depth=depth, batch=batch, backend=backend)
    shaping = "none" if rate_mbit is None else "emulated"
    cell = cell_of(bundle, devices, cuts, settings, shaping=shaping)
    network = Network(rate_mbit=rate_mbit)
    name = f"bench.{next(_numbers)}"
    plan = plan_pipeline(name, cell, bundle, fleet.lab(), network, check_every=check_every, rpc=rpc)
    builds = {
        device: msgspec.structs.replace(build, records=records) for device, build in plan.builds.items()
    }
    return PipelineRunner(dataclasses.replace(plan, builds=builds), cell, bundle, fleet.pool.workers)


def run(runner: PipelineRunner, requests: int, *, warmup: int = 0) -> Trial:
    """Run requests in a closed loop, after uncounted warm-up requests."""
    return runner.run(0, Run(requests=requests, timeout_s=_TIMEOUT_S), warmup=warmup)


def alternate(turns: int, *measurements: Callable[[], float]) -> list[float]:
    """Each measurement's median over the turns; they alternate, so that a disturbance affects all alike."""
    values = [[measurement() for measurement in measurements] for _ in range(turns)]
    return [statistics.median(each) for each in zip(*values, strict=True)]
