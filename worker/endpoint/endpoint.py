"""Source and sink in one, so that latency is read off one clock."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from worker.endpoint.inputs import make_inputs
from worker.endpoint.load import check_load
from worker.endpoint.samples import Samples, batches_of
from worker.endpoint.stretch import Stretch
from worker.endpoint.windows import Windows
from worker.lifeline import Lifeline
from worker.links import Inlet, LinkEnds, Outlet
from worker.records import ENDPOINT
from worker.slots import Array, Slot
from worker.timing import clock, sharpen_sleep, sleep_until
from worker.wire.errors import FailedError, MismatchError, PeerError, RefusedError, WorkerError
from worker.wire.frames import FrameType
from worker.wire.messages import EndpointSpec, LoadSpec, RunDone

__all__ = ["WORST_ALLOWED_ERROR", "Endpoint"]

WORST_ALLOWED_ERROR: Final = 1e-4
"""A result may differ from the answer by this much of the answer's own maximum, where no codec loses any."""

_LINKS_TIMEOUT_S: Final = 10.0
_CLOSED: Final = LoadSpec()


@dataclass(frozen=True)
class _Answer:
    tensors: list[Array]
    scales: list[float]


class Endpoint:
    """Gives requests to `outlet`, at most `depth` at once, and takes their results from `inlet`.

    Request i of batch b takes the samples (i*b .. i*b+b) modulo their count. Without a prefetch all batches
    are prepared here, once: preparation is in no latency. Else waiting for it is (`worker.endpoint.inputs`).
    """

    def __init__(
        self,
        samples: Samples,
        outlet: Outlet,
        inlet: Inlet,
        lifeline: Lifeline,
        *,
        depth: int,
        batch: int,
        check_every: int,
        prefetch: int | None = None,
        allowed_error: float = WORST_ALLOWED_ERROR,
    ) -> None:
        """Raises RefusedError: the samples do not fit the links.

        `allowed_error` is what a result may differ by, as a share of the answer's own maximum: more than
        `WORST_ALLOWED_ERROR` only where a codec on the way loses something.
        """
        if depth < 1 or batch < 1 or check_every < 0:
            raise RefusedError(f"depth {depth}, batch {batch}, check_every {check_every}: too small")
        self._outlet, self._inlet, self._lifeline = outlet, inlet, lifeline
        self._check_every = check_every
        self._allowed_error = allowed_error
        inputs = batches_of(samples.inputs, outlet.layout, batch, "input")
        self._inputs = make_inputs(inputs, prefetch, depth, lifeline)
        self._answers: list[_Answer] = []
        if check_every:
            answers = batches_of(samples.answers, inlet.layout, batch, "answer")
            self._answers = [_Answer(arrays, [_scale(array) for array in arrays]) for arrays in answers]
        self._depth = depth
        self._credits: SimpleQueue[bool] = SimpleQueue()
        self._rows = np.zeros(0, ENDPOINT)
        self._stretch: Stretch | None = None
        lifeline.at_end(self._stop)

    @classmethod
    def between(
        cls, links: LinkEnds, spec: EndpointSpec, samples: Samples, depth: int, lifeline: Lifeline
    ) -> Self:
        """An endpoint on two of a device's links. Raises RefusedError: the samples do not fit them."""
        return cls(
            samples,
            links.outlet(spec.outlet),
            links.inlet(spec.inlet),
            lifeline,
            depth=depth,
            batch=spec.batch,
            check_every=spec.check_every,
            prefetch=spec.prefetch,
            allowed_error=spec.allowed_error,
        )

    def run(
        self,
        requests: int,
        *,
        warmup: int = 0,
        timeout_s: float = 600.0,
        load: LoadSpec = _CLOSED,
        until_stable: bool = False,
        duration_s: float | None = None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> RunDone:
        """Run requests through the pipeline and wait for all results.

        Args:
            requests: how many are recorded.
            warmup: how many go first, in a closed loop, unrecorded; they drain before the others begin.
            timeout_s: for everything.
            load: when requests are due.
            until_stable: go on until the last three thirds agree; they are recorded.
            duration_s: record those that come within it, in place of `requests`.
            abandoned: asked ten times a second; True ends the pipeline.

        Raises:
            RefusedError: nothing to run, or no such load.
            MismatchError: a result differs from the answer, or is out of order.
            PeerError: a neighbour was lost.
            FailedError: not done within `timeout_s`, or the pipeline has ended.
        """
        if requests < 1 or warmup < 0:
            raise RefusedError(f"cannot run {requests} requests after {warmup} to warm up")
        check_load(load)
        windows = Windows(requests, until_stable=until_stable, duration_s=duration_s)
        deadline_s = clock() + timeout_s
        self._lifeline.check()
        self._inlet.wait_open(min(_LINKS_TIMEOUT_S, timeout_s))
        if warmup:
            stretch = Stretch(Windows(warmup), FrameType.WARMUP, _CLOSED)
            self._run_stretch(stretch, deadline_s, timeout_s, abandoned)
        stretch = Stretch(windows, FrameType.TENSORS, load)
        self._run_stretch(stretch, deadline_s, timeout_s, abandoned)
        self._rows = rows = stretch.rows()
        self._stretch = None
        return RunDone(
            elapsed_s=float(rows["finished_at_s"][-1] - rows["scheduled_at_s"][0]),
            checked=int(np.count_nonzero(rows["request"] % self._check_every == 0))
            if self._check_every
            else 0,
            worst_error=stretch.worst_error,
            windows=windows.count,
            stable=windows.stable,
            overloaded=stretch.judge_load(rows),
        )

    def take_rows(self) -> NDArray[np.void]:
        """Records of the last run (`worker.records.ENDPOINT`); they are then forgotten."""
        rows, self._rows = self._rows, np.zeros(0, ENDPOINT)
        return rows

    def _run_stretch(
        self, stretch: Stretch, deadline_s: float, timeout_s: float, abandoned: Callable[[], bool]
    ) -> None:
        self._stretch = stretch
        # Left-overs of a run that ended early must not count.
        self._credits = SimpleQueue()
        for _ in range(self._depth):
            self._credits.put(True)
        if self._lifeline.ended.is_set():
            self._stop(None)
        self._inputs.begin()
        loops = (("source", self._source), ("sink", self._sink))
        threads = [
            threading.Thread(target=self._guard, args=(loop, stretch), name=name, daemon=True)
            for name, loop in loops
        ]
        for thread in threads:
            thread.start()
        while not stretch.drained.wait(0.1):
            if abandoned():
                self._lifeline.fail(FailedError("the controller went away during the run"))
            elif clock() > deadline_s:
                self._lifeline.fail(FailedError(f"the run was not done within {timeout_s:g} s"))
        for thread in threads:
            thread.join()
        self._inputs.end()
        self._lifeline.check()
        if self._lifeline.ended.is_set():
            raise FailedError("the pipeline was closed during the run")

    def _guard(self, loop: Callable[[Stretch], None], stretch: Stretch) -> None:
        try:
            loop(stretch)
        except Exception as error:
            self._lifeline.fail(error)

    def _source(self, stretch: Stretch) -> None:
        try:
            self._send_all(stretch)
        finally:
            stretch.last = len(stretch.scheduled_at_s) - 1
            stretch.sent_all.set()

    def _send_all(self, stretch: Stretch) -> None:
        outlet, inputs, over, kind = self._outlet, self._inputs, stretch.over, stretch.kind
        offsets_s, limit = stretch.offsets_s, stretch.windows.limit
        if offsets_s is not None:
            sharpen_sleep()
        began_s = due_s = clock()
        for request in itertools.count():
            if request == limit or over.is_set():
                return
            if offsets_s is not None:
                due_s = began_s + next(offsets_s)
                if not sleep_until(due_s, over):
                    return
            if not self._credits.get() or over.is_set() or (slot := outlet.pool.take()) is None:
                return
            if offsets_s is None:
                due_s = clock()
            batch = inputs.take(request)
            if batch is None:
                return
            slot.arrays = batch.arrays
            slot.buffers[1:] = batch.buffers
            slot.request = request
            slot.kind = kind
            slot.ready_at_s = ready_s = clock()
            if ready_s - due_s > stretch.longest_wait_s:
                # Told before it is sent: its result is the last that the sink may wait for.
                stretch.overloaded = True
                stretch.last = request
            stretch.scheduled_at_s.append(due_s)
            stretch.wait_source_s.append(ready_s - due_s)
            stretch.prepare_s.append(batch.prepare_s)
            outlet.send(slot)
            # The slot may be on its way back already, but it is taken by this thread alone.
            stretch.encode_s.append(slot.encode_s)
            if stretch.overloaded:
                return

    def _sink(self, stretch: Stretch) -> None:
        receive, put_credit, check_every = self._inlet.receive, self._credits.put, self._check_every
        finished_at_s, windows = stretch.finished_at_s, stretch.windows
        for request in itertools.count():
            slot = receive()
            if slot is None:
                if not self._lifeline.ended.is_set():
                    raise PeerError(f"link {self._inlet.name} was closed during a run")
                return
            finished_at_s.append(slot.received_at_s + slot.decode_s)
            stretch.decode_s.append(slot.decode_s)
            if slot.request != request or slot.kind != stretch.kind:
                raise MismatchError(f"result {slot.request} came where {request} was due")
            if not stretch.over.is_set() and windows.ends(stretch.scheduled_at_s, finished_at_s):
                stretch.over.set()
            put_credit(True)
            if check_every and request % check_every == 0:
                self._check(stretch, slot)
            slot.give_back()
            if stretch.over.is_set():
                # What was sent meanwhile is still to come back.
                stretch.sent_all.wait()
            if request == stretch.last:
                break
        stretch.drained.set()

    def _check(self, stretch: Stretch, slot: Slot) -> None:
        answer = self._answers[slot.request % len(self._answers)]
        layouts = self._inlet.layout.tensors
        for result, right, scale, layout in zip(
            slot.arrays, answer.tensors, answer.scales, layouts, strict=True
        ):
            error = _difference(result, right) / scale
            # Written so that NaN does not pass.
            if not error <= self._allowed_error:
                raise MismatchError(
                    f"result of request {slot.request} is wrong: {layout.name} differs from the answer by "
                    f"{error:.3g} of its maximum (at most {self._allowed_error:.3g} is allowed)"
                )
            stretch.worst_error = max(stretch.worst_error, error)

    def _stop(self, _cause: WorkerError | None) -> None:
        self._credits.put(False)
        if self._stretch is not None:
            self._stretch.over.set()
            self._stretch.sent_all.set()
            self._stretch.drained.set()


def _scale(answer: Array) -> float:
    """The answer's own maximum, by which errors are divided; 1 when it is zero."""
    return float(np.max(np.abs(answer.astype(np.float64)))) or 1.0


def _difference(result: Array, right: Array) -> float:
    """Largest absolute difference."""
    if result.dtype.kind == "f" and result.dtype.itemsize >= 4:
        difference = np.subtract(result, right)
        return float(np.max(np.abs(difference, out=difference)))
    return float(np.max(np.abs(result.astype(np.float64) - right.astype(np.float64))))
