"""One device's part of a pipeline: its links, its hops and, on the first device, the endpoint."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from worker.endpoint import Endpoint
from worker.host.memory import check_room
from worker.inference.slowdown import Slowdown
from worker.inference.stage import BoundStage
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Connector
from worker.links.links import LinkEnds, Links, ends_here
from worker.pipeline.hop import Hop, input_count
from worker.pipeline.loading import Loader
from worker.wire.errors import FailedError, RefusedError, WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    BuildPipeline,
    HopRecords,
    PipelineBuilt,
    Records,
    Run,
    RunDone,
    StagesTimed,
    TimeStages,
)

__all__ = ["Pipeline"]

_MAX_DEPTH: Final = 4096
_MOST_INPUTS: Final = 1024

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
        """Load stages and make links.

        Args:
            build: the request.
            loader: loads the stages and the samples.
            slowdown: how many times slower to make this device.
            make_links: makes the links.
            abandoned: called between the steps; True stops.

        Raises:
            WorkerError: stage, samples or links are missing or do not fit.
        """
        if not 1 <= build.depth <= _MAX_DEPTH:
            raise RefusedError(f"depth {build.depth} (1 to {_MAX_DEPTH}) is out of range")
        if any(not 0 <= spec.keeps <= _MOST_INPUTS for spec in build.hops):
            raise RefusedError(f"a stage keeps at most {_MOST_INPUTS} inputs")
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
            load_s = []
            for spec in build.hops:
                if abandoned():
                    raise FailedError("the controller went away")
                if spec.planted is not None:
                    loader.check_null(spec.shard)
                stage = loader.stage_of(spec)
                inlet, outlet = self.links.inlet(spec.inlet), self.links.outlet(spec.outlet)
                slowed = Slowdown(slowdown, scope.ended, spec.planted)
                if spec.full_speed_s is not None:
                    slowed.fix(spec.full_speed_s)
                bound = BoundStage(
                    stage,
                    inlet.layout,
                    outlet.layout,
                    slowdown=slowed,
                    reuses_memory=inlet.reuses_memory,
                )
                load_s.append(stage.load_s)
                self._hops.append(
                    Hop(
                        bound,
                        inlet,
                        outlet,
                        scope,
                        start=spec.shard.start,
                        stop=spec.shard.stop,
                        records=build.records,
                        keeps=spec.keeps,
                    )
                )
        except BaseException:
            scope.end()
            raise
        for hop in self._hops:
            hop.begin()
        self.links.stand_ready()
        self._specs = build.hops
        self.built = PipelineBuilt(load_s=tuple(load_s))

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

    def time_stages(self, request: TimeStages, abandoned: Callable[[], bool]) -> StagesTimed:
        """Time stages alone, one after the other.

        Raises:
            RefusedError: there is no such hop, it has kept no input, or it has no time at full speed.
            FailedError: it cannot be run, or `abandoned`.
        """
        self._scope.check()
        times_s = []
        for position in request.hops:
            if not 0 <= position < len(self._hops):
                raise RefusedError(f"there is no hop {position}")
            spec = self._specs[position]
            if request.at_full_speed and (spec.varies or spec.planted is not None):
                raise RefusedError(f"hop {position} takes a time of its own in each run")
            times_s.append(self._hops[position].time_alone(abandoned, at_full_speed=request.at_full_speed))
        return StagesTimed(compute_s=tuple(times_s))

    def take_records(self, counted: tuple[int, int] | None = None) -> Records:
        """Records of the last run, of the endpoint and each hop; they are then forgotten.

        `counted`: the requests that the links' accounts are to cover, if any.
        """
        hops = tuple(HopRecords(start=hop.start, stop=hop.stop, rows=hop.take_rows()) for hop in self._hops)
        return Records(
            endpoint=self._endpoint.take_rows().tobytes() if self._endpoint else b"",
            hops=hops,
            sent=self.links.take_sent(),
            accounts=self.links.accounts(counted) if counted else (),
        )

    def close(self) -> None:
        """End everything in order, tell the neighbours so, and free all memory."""
        self._scope.end()
        for hop in self._hops:
            hop.join()
        self.links.close()


def _check_memory(build: BuildPipeline) -> None:
    """Raise RefusedError: the slots of the links that end here, and the kept inputs, do not fit in memory."""
    inlets, outlets = ends_here(build)
    payload_bytes = {spec.name: LinkLayout(spec.tensors).payload_bytes for spec in build.links}
    slots_bytes = sum(payload_bytes.get(name, 0) for name in [*inlets, *outlets]) * (build.depth + 1)
    arriving = ((hop.keeps, payload_bytes.get(hop.inlet, 0)) for hop in build.hops)
    inputs_bytes = sum(input_count(keeps, each_bytes) * each_bytes for keeps, each_bytes in arriving)
    check_room(slots_bytes + inputs_bytes, f"pipeline {build.name} at depth {build.depth}")


def _log_failure(pipeline: str, cause: WorkerError | None) -> None:
    if cause is not None:
        _log.warning("pipeline %s ended: %s", pipeline, cause)
