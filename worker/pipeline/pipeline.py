"""One device's part of a pipeline: its links, its hops and, on the first device, the endpoint."""

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from worker.endpoint import Endpoint
from worker.host.memory import check_room
from worker.inference.stage import BoundStage
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Connector
from worker.links.links import LinkEnds, Links, ends_here
from worker.pipeline.hop import Hop
from worker.pipeline.loading import Loader
from worker.wire.errors import FailedError, RefusedError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    BuildPipeline,
    HopRecords,
    HopSpec,
    PipelineBuilt,
    Records,
    Run,
    RunDone,
    TensorSpec,
)

__all__ = ["Pipeline"]

_MAX_DEPTH: Final = 4096

_log: Final = logging.getLogger("worker")


class Pipeline:
    """This device's part: built, opened, run any number of times, then closed; a failure ends it."""

    def __init__(
        self,
        build: BuildPipeline,
        loader: Loader,
        *,
        slowdown: float,
        make_links: Callable[[BuildPipeline, CancelScope], LinkEnds[Any, Any]] = Links,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        """Load stages, make links, and time each stage alone: on a slower device first at full speed.

        Args:
            build: the request.
            loader: loads the stages and the samples.
            slowdown: how many times slower to make this device.
            make_links: makes the links.
            abandoned: called between the steps; True stops.

        Raises:
            WorkerError: stage, samples or links are missing or do not fit.
        """
        if not 1 <= build.depth <= _MAX_DEPTH or build.solo_runs < 0:
            raise RefusedError(
                f"depth {build.depth} (1 to {_MAX_DEPTH}) or solo_runs {build.solo_runs} is out of range"
            )
        _check_memory(build)
        self._scope = scope = CancelScope()
        scope.at_end(partial(_log_failure, build.name))
        try:
            self.links = make_links(build, scope)
            self._endpoint = None
            if build.endpoint is not None:
                samples = loader.samples_of(build.endpoint.bundle)
                self._endpoint = Endpoint(self.links, build.endpoint, samples, build.depth, scope)
            self._hops: list[Hop] = []
            load_s, alone_s, solo_compute_s = [], [], []
            for spec in build.hops:
                if abandoned():
                    raise FailedError("the controller went away")
                if spec.planted is not None:
                    loader.check_null(spec.shard)
                stage = loader.stage_of(spec)
                inlet, outlet = self.links.inlet(spec.inlet), self.links.outlet(spec.outlet)
                bound = BoundStage(
                    stage,
                    inlet.layout,
                    outlet.layout,
                    slowdown=slowdown,
                    ended=scope.ended,
                    reuses_memory=inlet.reuses_memory,
                    planted=spec.planted,
                )
                load_s.append(stage.load_s)
                alone_s.append(_slow_down(bound, spec, self.links.specs[spec.inlet].tensors, loader))
                solo_compute_s.append(bound.time_alone(build.solo_runs))
                start, stop = spec.shard.start, spec.shard.stop
                hop = Hop(bound, inlet, outlet, scope, start=start, stop=stop, records=build.records)
                self._hops.append(hop)
        except BaseException:
            scope.end()
            raise
        for hop in self._hops:
            hop.begin()
        self.links.stand_ready()
        self.built = PipelineBuilt(
            load_s=tuple(load_s), solo_compute_s=tuple(solo_compute_s), alone_s=tuple(alone_s)
        )

    def open(self, sender: str, connector: Connector) -> None:
        """Connect the outgoing links. Raises PeerError: a neighbour cannot be reached."""
        self._scope.check()
        self.links.open(sender, connector)

    def run(self, run: Run, abandoned: Callable[[], bool]) -> RunDone:
        """See `Endpoint.run`."""
        self._scope.check()
        if self._endpoint is None:
            raise RefusedError("this device has no endpoint: send Run to the device that has it")
        return self._endpoint.run(run, abandoned)

    def take_records(self, counted: tuple[int, int] | None = None) -> Records:
        """Records of the last run, of the endpoint and each hop; they are then forgotten.

        `counted`: the requests that the links' accounts are to cover, if any.
        """
        hops = tuple(HopRecords(start=hop.start, stop=hop.stop, rows=hop.take_rows()) for hop in self._hops)
        return Records(
            endpoint=self._endpoint.take_rows().tobytes() if self._endpoint else b"",
            hops=hops,
            # After the hops' rows: a hop writes its last row after it has sent the last frame.
            sent=self.links.take_sent(),
            accounts=self.links.accounts(counted) if counted else (),
        )

    def close(self) -> None:
        """End everything in order, tell the neighbours so, and free all memory."""
        self._scope.end()
        for hop in self._hops:
            hop.join()
        self.links.close()


def _slow_down(
    bound: BoundStage, spec: HopSpec, inputs: tuple[TensorSpec, ...], loader: Loader
) -> float | None:
    """Fix how long the runs of a slower device's stage take; returns its time alone at full speed.

    The first to measure that time for these inputs is the last: a later one would make the device another.
    None at full speed, and where each run has a time of its own: planted, or depending on the data.
    """
    if not bound.is_slowed or spec.varies or spec.planted is not None:
        return None
    key = spec.shard, spec.threads, inputs
    alone_s = spec.alone_s or loader.alone_s.get(key) or bound.time_at_full_speed()
    if not 0 < alone_s < math.inf:
        raise RefusedError(f"a stage cannot take {alone_s} s alone")
    loader.alone_s[key] = alone_s
    bound.slow_down_from(alone_s)
    return alone_s


def _check_memory(build: BuildPipeline) -> None:
    """Raise RefusedError: the slots of the links that end here do not fit in memory."""
    inlets, outlets = ends_here(build)
    specs = {spec.name: spec for spec in build.links}
    needed_bytes = sum(
        LinkLayout(specs[name].tensors).payload_bytes * (build.depth + 1)
        for name in [*inlets, *outlets]
        if name in specs
    )
    check_room(needed_bytes, f"pipeline {build.name} at depth {build.depth}")


def _log_failure(pipeline: str, cause: WorkerError | None) -> None:
    if cause is not None:
        _log.warning("pipeline %s ended: %s", pipeline, cause)
