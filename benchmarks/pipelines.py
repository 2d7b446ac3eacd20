"""Pipelines of the benchmark's workers, run as in a sweep."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from benchmarks.local_workers import DEVICES, Fleet
from controller.experiment.backend import RpcSettings
from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.results import SOCKET, Cell, Settings, Trial
from exporter.bundle import Bundle
from worker.wire.messages import Run

__all__ = ["pipeline", "plan", "result_rate", "run"]

_TIMEOUT_S = 120.0
_USUAL_RPC = RpcSettings()
_numbers = itertools.count()


def plan(
    fleet: Fleet,
    bundle: Bundle,
    cell: Cell,
    *,
    rate_mbit: float | None = None,
    check_every: int = 1,
    solo_runs: int = 5,
    records: bool = True,
    rpc: RpcSettings = _USUAL_RPC,
) -> PipelinePlan:
    """Plan the pipeline of a cell; with a rate, its links are emulated."""
    shaping = cell.shaping if rate_mbit is None else "emulated"
    planned = plan_pipeline(
        f"bench.{next(_numbers)}",
        dataclasses.replace(cell, shaping=shaping),
        bundle,
        fleet.lab(),
        Network(rate_mbit=rate_mbit),
        check_every=check_every,
        rpc=rpc,
    )
    builds = {
        device: msgspec.structs.replace(build, solo_runs=solo_runs, records=records)
        for device, build in planned.builds.items()
    }
    return dataclasses.replace(planned, builds=builds)


@contextmanager
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
    solo_runs: int = 5,
    records: bool = True,
    backend: str = SOCKET,
    rpc: RpcSettings = _USUAL_RPC,
) -> Iterator[PipelineRunner]:
    """Build a pipeline; the arguments are those of a cell and of `plan`."""
    cell = cell_of(bundle, devices, cuts, Settings(depth=depth, batch=batch, backend=backend))
    planned = plan(
        fleet,
        bundle,
        cell,
        rate_mbit=rate_mbit,
        check_every=check_every,
        solo_runs=solo_runs,
        records=records,
        rpc=rpc,
    )
    with PipelineRunner(planned, cell, bundle, fleet.pool.workers) as runner:
        yield runner


def run(runner: PipelineRunner, requests: int, *, warmup: int = 0) -> Trial:
    """Run requests in a closed loop, after uncounted warm-up requests."""
    return runner.run(0, Run(requests=requests, timeout_s=_TIMEOUT_S), warmup=warmup)


def result_rate(trial: Trial) -> float:
    """Results per second between the first and the last: the rate of a full pipeline."""
    finished_at_s = trial.endpoint["finished_at_s"]
    return float((len(finished_at_s) - 1) / (finished_at_s[-1] - finished_at_s[0]))
