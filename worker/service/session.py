"""A session: carry out the requests of the controller that holds the worker."""

import gc
import logging
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any, Final

import numpy as np

from worker.host.qdisc import QdiscWatch
from worker.host.sentinel import time_sentinel
from worker.host.telemetry import TelemetryThread
from worker.links.links import Links, open_data_stream
from worker.links.slots import Array
from worker.pipeline.loading import Loader
from worker.pipeline.pipeline import Pipeline
from worker.probe import ProbeReceiver, send_throughput, send_train, time_round_trips
from worker.rpc import RpcPipeline, check_rpc
from worker.service.baseline import take_baseline
from worker.settings import Settings
from worker.store import Store
from worker.wire.errors import RefusedError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    Baseline,
    BaselineDone,
    BuildPipeline,
    CheckRpc,
    ClosePipeline,
    Done,
    ExpectProbe,
    Have,
    Infer,
    Inferred,
    Message,
    OpenLinks,
    PipelineBuilt,
    ProbeRoundTrips,
    ProbeThroughput,
    ProbeTrain,
    PutFile,
    PutShard,
    Records,
    Request,
    Run,
    RunDone,
    SampleTelemetry,
    StagesTimed,
    TakeRecords,
    TakeTrain,
    Telemetry,
    TensorSpec,
    TimeSentinel,
    TimeStages,
)
from worker.wire.security import OPEN, Security

__all__ = ["Session"]

_log: Final = logging.getLogger("worker")


class Session:
    """From claim to release. `close` leaves nothing behind but the store."""

    def __init__(
        self,
        store: Store,
        telemetry: TelemetryThread,
        probes: ProbeReceiver,
        qdisc: QdiscWatch,
        settings: Settings,
        *,
        abandoned: Callable[[], bool],
        security: Security = OPEN,
    ) -> None:
        """`abandoned` returns whether the controller has gone; long work calls it."""
        self._telemetry = telemetry
        self._probes = probes
        self._qdisc = qdisc
        self._settings = settings
        self._abandoned = abandoned
        self._security = security
        self._loader = Loader(store, settings.provider, settings.onnxruntime_options)
        self._pipeline: Pipeline | RpcPipeline | None = None
        self._ended = Event()
        self._handlers: Final[dict[type[Request[Message]], Callable[[Any], Message | None]]] = {
            Have: store.missing,
            PutShard: store.put_shard,
            PutFile: store.put_file,
            BuildPipeline: self._build,
            OpenLinks: self._open_links,
            Run: self._run,
            TakeRecords: self._take_records,
            TimeStages: self._time_stages,
            ClosePipeline: self._forget_pipeline,
            CheckRpc: check_rpc,
            SampleTelemetry: lambda _request: Telemetry(samples=telemetry.take()),
            Baseline: self._baseline,
            TimeSentinel: lambda request: time_sentinel(request, abandoned),
            Infer: self._infer,
            ExpectProbe: probes.expect,
            TakeTrain: probes.take_train,
            ProbeRoundTrips: lambda probe: time_round_trips(probe, settings.name, abandoned, security),
            ProbeTrain: lambda probe: send_train(probe, self._ended),
            ProbeThroughput: lambda probe: send_throughput(probe, settings.name, security),
        }

    @property
    def links(self) -> Links | None:
        """The links that neighbours may connect to now."""
        links = self._pipeline.links if isinstance(self._pipeline, Pipeline) else None
        return links if isinstance(links, Links) else None

    def answer(self, request: Request[Message]) -> Message:
        """Carry out a request.

        Raises:
            WorkerError: it cannot be done.
        """
        handler = self._handlers.get(type(request))
        if handler is None:
            raise RefusedError(f"{type(request).__name__} is not expected here")
        reply: Message | None = handler(request)
        return Done() if reply is None else reply

    def close(self) -> None:
        """Close the pipeline and forget the stages; may be called from another thread."""
        self._ended.set()
        self._probes.close()
        self._close_pipeline()
        self._loader.clear()

    # Every device checks its link before a trial and after it: only the one with the endpoint gets `Run`,
    # the others get `TakeRecords`.

    def _open_links(self, _request: OpenLinks) -> None:
        self._qdisc.check()
        self._built().open(self._settings.name, partial(open_data_stream, security=self._security))

    def _run(self, run: Run) -> RunDone:
        done = self._built().run(run, self._abandoned)
        self._qdisc.check()
        return done

    def _take_records(self, request: TakeRecords) -> Records:
        self._qdisc.check()
        return self._built().take_records(request.counted)

    def _time_stages(self, request: TimeStages) -> StagesTimed:
        return self._built().time_stages(request, self._abandoned)

    def _forget_pipeline(self, request: ClosePipeline) -> None:
        self._close_pipeline()
        if not request.keep_stages:
            self._loader.keep(())

    def _built(self) -> Pipeline | RpcPipeline:
        if self._pipeline is None:
            raise RefusedError("no pipeline is built")
        return self._pipeline

    def _build(self, build: BuildPipeline) -> PipelineBuilt:
        self._close_pipeline()
        if build.rpc is not None:
            return self._build_over_rpc(build)
        self._loader.keep(build.hops)
        slowdown = self._settings.slowdown
        self._pipeline = Pipeline(
            build,
            self._loader,
            slowdown=slowdown,
            make_links=partial(Links, slowdown=slowdown),
            abandoned=self._abandoned,
        )
        return self._pipeline.built

    def _build_over_rpc(self, build: BuildPipeline) -> PipelineBuilt:
        # A process of its own loads the stages.
        self._loader.keep(())
        # Before it is built, so that closing the session meanwhile ends it too.
        self._pipeline = pipeline = RpcPipeline.start(build, self._settings)
        self._telemetry.count_too(pipeline.pid)
        return pipeline.build(build, self._abandoned)

    def _close_pipeline(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            self._telemetry.count_too(None)
            pipeline.close()
            # Slots and their pools refer to each other; free their memory now.
            del pipeline
            gc.collect()

    def _baseline(self, baseline: Baseline) -> BaselineDone:
        self._close_pipeline()
        self._loader.keep(())
        return take_baseline(baseline, self._loader, self._settings.slowdown, self._ended, self._abandoned)

    def _infer(self, infer: Infer) -> Inferred:
        layouts = LinkLayout(infer.inputs).tensors
        if [len(data) for data in infer.data] != [layout.payload_bytes for layout in layouts]:
            raise RefusedError("the input bytes do not match their shapes")
        inputs: dict[str, Array] = {
            layout.name: np.frombuffer(data, layout.dtype).reshape(layout.shape)
            for layout, data in zip(layouts, infer.data, strict=True)
        }
        outputs = self._loader.load(infer.shard, infer.threads).run(inputs)
        return Inferred(
            tensors=tuple(
                TensorSpec(name=name, dtype=array.dtype.name, shape=array.shape)
                for name, array in outputs.items()
            ),
            data=tuple(array.tobytes() for array in outputs.values()),
        )
