"""Source and sink in one, so that one clock measures latency."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.clock import clock
from worker.endpoint.answers import WORST_ALLOWED_ERROR, Answers
from worker.endpoint.inputs import make_inputs
from worker.endpoint.load import check_load
from worker.endpoint.progress import Progress
from worker.endpoint.run_length import RunLength, is_stable
from worker.endpoint.samples import Samples, batches_of
from worker.endpoint.sink import Sink
from worker.endpoint.source import Source
from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.links import LinkEnds
from worker.records import ENDPOINT
from worker.wire.errors import FailedError, RefusedError, WorkerError
from worker.wire.messages import EndpointSpec, Run, RunDone

__all__ = ["WORST_ALLOWED_ERROR", "Endpoint"]

_LINKS_TIMEOUT_S: Final = 10.0


class Endpoint:
    """Send requests to the outlet, at most `depth` at once, and receive their results from the inlet.

    Request i of batch b takes the samples (i*b .. i*b+b) modulo their count. Without a prefetch it
    prepares all batches once, here, outside every latency; else latency includes the wait for preparation
    (`worker.endpoint.inputs`).
    """

    def __init__(
        self,
        links: LinkEnds[Any, Any],
        spec: EndpointSpec,
        samples: Samples,
        depth: int,
        scope: CancelScope,
    ) -> None:
        """Raises RefusedError: the samples do not fit the links."""
        if depth < 1 or spec.batch < 1 or spec.check_every < 0:
            raise RefusedError(
                f"depth {depth}, batch {spec.batch}, check_every {spec.check_every}: too small"
            )
        outlet, self._inlet = links.outlet(spec.outlet), links.inlet(spec.inlet)
        self._scope, self._check_every, self._depth = scope, spec.check_every, depth
        inputs = batches_of(samples.inputs, outlet.layout, spec.batch, "input")
        self._inputs = make_inputs(inputs, spec.prefetch, depth, scope)
        self._source = Source(outlet, self._inputs, depth)
        answers = None
        if spec.check_every:
            answers = Answers(
                samples.answers, self._inlet.layout, spec.batch, allowed_error=spec.allowed_error
            )
        self._sink = Sink(self._inlet, answers, scope, check_every=spec.check_every)
        self._rows = np.zeros(0, ENDPOINT)
        self._progress: Progress | None = None
        scope.at_end(self._stop)

    def run(self, run: Run, abandoned: Callable[[], bool] = lambda: False) -> RunDone:
        """Run requests through the pipeline and wait for all results.

        The first requests warm up, and do not count: as many as asked, and in a closed loop at least until
        the pipeline is full. Requests go on until the last that counts is back, so that it stays full.

        Args:
            run: what to run; its timeout covers everything.
            abandoned: called ten times a second; True ends the pipeline.

        Raises:
            RefusedError: nothing to run, or no such load.
            MismatchError: a result differs from the answer, or is out of order.
            PeerError: a neighbour was lost.
            FailedError: not done in time, or the pipeline has ended.
        """
        if run.requests < 1 or run.warmup < 0:
            raise RefusedError(f"cannot run {run.requests} requests after {run.warmup} warm-up requests")
        check_load(run.load)
        is_closed = run.load.kind == "closed"
        length = RunLength(
            first=max(run.warmup, self._depth if is_closed else 1),
            requests=run.requests,
            duration_s=run.duration_s,
            multiple_of=self._depth if is_closed else 1,
        )
        deadline_s = clock() + run.timeout_s
        self._scope.check()
        self._inlet.wait_open(min(_LINKS_TIMEOUT_S, run.timeout_s))
        progress = Progress(length, run.load)
        self._run_all(progress, deadline_s, run.timeout_s, abandoned)
        self._rows = progress.rows()
        self._progress = None
        rows = self._rows[self._rows["counted"] == 1]
        checks = rows["request"] - length.first
        return RunDone(
            elapsed_s=progress.elapsed_s(),
            counted=(int(rows["request"][0]), int(rows["request"][-1]) + 1),
            checked=int(np.count_nonzero(checks % self._check_every == 0)) if self._check_every else 0,
            worst_error=progress.worst_error,
            stable=is_stable(rows["latency_s"]),
            overloaded=progress.overloaded,
        )

    def take_rows(self) -> NDArray[np.void]:
        """Records of the last run (`worker.records.ENDPOINT`); they are then forgotten."""
        rows, self._rows = self._rows, np.zeros(0, ENDPOINT)
        return rows

    def _run_all(
        self, progress: Progress, deadline_s: float, timeout_s: float, abandoned: Callable[[], bool]
    ) -> None:
        self._progress = progress
        self._source.begin()
        if self._scope.ended.is_set():
            self._stop(None)
        self._inputs.begin()
        threads = ThreadGroup(self._scope)
        for name, loop in self._threads(progress).items():
            threads.begin(name, loop)
        while not progress.drained.wait(0.1):
            if abandoned():
                self._scope.fail(FailedError("the controller went away during the run"))
            elif clock() > deadline_s:
                self._scope.fail(FailedError(f"the run did not finish within {timeout_s:g} s"))
        threads.join()
        self._inputs.end()
        self._scope.check()
        if self._scope.ended.is_set():
            raise FailedError("the pipeline was closed during the run")

    def _threads(self, progress: Progress) -> dict[str, Callable[[], None]]:
        """The loops of the threads, by thread name."""
        source, sink = self._source, self._sink

        def receive_all(on_result: Callable[[], None]) -> None:
            sink.receive_all(progress, on_result)

        if progress.offsets_s is None and source.never_waits:
            # Handing each credit to another thread would cost more than sending the next request.
            def take_turns() -> None:
                source.send_first(progress)
                receive_all(lambda: source.send_next(progress))

            return {"endpoint": take_turns}
        return {
            "source": lambda: source.send_all(progress),
            "sink": lambda: receive_all(source.give_credit),
        }

    def _stop(self, _cause: WorkerError | None) -> None:
        self._source.stop()
        if self._progress is not None:
            self._progress.over.set()
            self._progress.sent_all.set()
            self._progress.drained.set()
