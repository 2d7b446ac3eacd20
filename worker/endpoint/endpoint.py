"""Source and sink in one, so that latency is read off one clock."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.endpoint.samples import Samples, batches_of
from worker.lifeline import Lifeline
from worker.links import Inlet, Outlet
from worker.records import ENDPOINT
from worker.slots import Array, Slot, bytes_of
from worker.timing import clock
from worker.wire.errors import FailedError, MismatchError, PeerError, RefusedError, WorkerError
from worker.wire.frames import FrameType
from worker.wire.messages import RunDone

__all__ = ["WORST_ALLOWED_ERROR", "Endpoint"]

WORST_ALLOWED_ERROR: Final = 1e-4
"""A result may differ from the answer by this much of the answer's own maximum."""

_LINKS_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class _Batch:
    arrays: list[Array]
    buffers: list[memoryview]


@dataclass(frozen=True)
class _Answer:
    tensors: list[Array]
    scales: list[float]


class _Phase:
    """What one stretch of requests leaves behind."""

    def __init__(self, requests: int, kind: FrameType) -> None:
        self.requests = requests
        self.kind = kind
        self.rows = np.zeros(requests, ENDPOINT)
        self.rows["request"] = np.arange(requests)
        self.checked = 0
        self.worst_error = 0.0
        self.drained = threading.Event()


class Endpoint:
    """Gives requests to `outlet`, at most `depth` at once, and takes their results from `inlet`.

    Request i of batch b takes the samples (i*b .. i*b+b) modulo their count. All batches are prepared here,
    once: preparation is in no latency.
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
    ) -> None:
        """Raises RefusedError: the samples do not fit the links."""
        if depth < 1 or batch < 1 or check_every < 0:
            raise RefusedError(f"depth {depth}, batch {batch}, check_every {check_every}: too small")
        self._outlet, self._inlet, self._lifeline = outlet, inlet, lifeline
        self._check_every = check_every
        inputs = batches_of(samples.inputs, outlet.layout, batch, "input")
        self._batches = [_Batch(arrays, [bytes_of(array) for array in arrays]) for arrays in inputs]
        self._answers: list[_Answer] = []
        if check_every:
            answers = batches_of(samples.answers, inlet.layout, batch, "answer")
            self._answers = [_Answer(arrays, [_scale(array) for array in arrays]) for arrays in answers]
        self._depth = depth
        self._credits: SimpleQueue[bool] = SimpleQueue()
        self._rows = np.zeros(0, ENDPOINT)
        self._phase: _Phase | None = None
        lifeline.at_end(self._stop)

    def run(
        self,
        requests: int,
        *,
        warmup: int = 0,
        timeout_s: float = 600.0,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> RunDone:
        """Run requests through the pipeline and wait for all results.

        Args:
            requests: how many are recorded.
            warmup: how many go first, unrecorded; they have drained before the recorded ones begin.
            timeout_s: for everything.
            abandoned: asked ten times a second; True ends the pipeline.

        Raises:
            RefusedError: nothing to run.
            MismatchError: a result differs from the answer, or is out of order.
            PeerError: a neighbour was lost.
            FailedError: not done within `timeout_s`, or the pipeline has ended.
        """
        if requests < 1 or warmup < 0:
            raise RefusedError(f"cannot run {requests} requests after {warmup} to warm up")
        deadline_s = clock() + timeout_s
        self._lifeline.check()
        self._inlet.wait_open(min(_LINKS_TIMEOUT_S, timeout_s))
        if warmup:
            self._run_phase(_Phase(warmup, FrameType.WARMUP), deadline_s, timeout_s, abandoned)
        phase = _Phase(requests, FrameType.TENSORS)
        self._run_phase(phase, deadline_s, timeout_s, abandoned)
        rows = phase.rows
        np.subtract(rows["finished_at_s"], rows["scheduled_at_s"], out=rows["latency_s"])
        self._rows = rows
        return RunDone(
            elapsed_s=float(rows["finished_at_s"][-1] - rows["scheduled_at_s"][0]),
            checked=phase.checked,
            worst_error=phase.worst_error,
        )

    def take_rows(self) -> NDArray[np.void]:
        """Records of the last run (`worker.records.ENDPOINT`); they are then forgotten."""
        rows, self._rows = self._rows, np.zeros(0, ENDPOINT)
        return rows

    def _run_phase(
        self, phase: _Phase, deadline_s: float, timeout_s: float, abandoned: Callable[[], bool]
    ) -> None:
        self._phase = phase
        # Left-overs of a run that ended early must not count.
        self._credits = SimpleQueue()
        for _ in range(self._depth):
            self._credits.put(True)
        if self._lifeline.ended.is_set():
            phase.drained.set()
            self._credits.put(False)
        loops = (("source", self._source), ("sink", self._sink))
        threads = [
            threading.Thread(target=self._guard, args=(loop, phase), name=name, daemon=True)
            for name, loop in loops
        ]
        for thread in threads:
            thread.start()
        while not phase.drained.wait(0.1):
            if abandoned():
                self._lifeline.fail(FailedError("the controller went away during the run"))
            elif clock() > deadline_s:
                self._lifeline.fail(FailedError(f"the run was not done within {timeout_s:g} s"))
        for thread in threads:
            thread.join()
        self._lifeline.check()
        if self._lifeline.ended.is_set():
            raise FailedError("the pipeline was closed during the run")

    def _guard(self, loop: Callable[[_Phase], None], phase: _Phase) -> None:
        try:
            loop(phase)
        except Exception as error:
            self._lifeline.fail(error)

    def _source(self, phase: _Phase) -> None:
        outlet, batches, kind = self._outlet, self._batches, phase.kind
        take_credit, take, send = self._credits.get, outlet.pool.take, outlet.send
        scheduled_at_s = phase.rows["scheduled_at_s"]
        for request in range(phase.requests):
            if not take_credit() or (slot := take()) is None:
                return
            batch = batches[request % len(batches)]
            slot.arrays = batch.arrays
            slot.buffers[1:] = batch.buffers
            slot.request = request
            slot.kind = kind
            slot.ready_at_s = scheduled_at_s[request] = clock()
            send(slot)

    def _sink(self, phase: _Phase) -> None:
        receive, put_credit, check_every = self._inlet.receive, self._credits.put, self._check_every
        finished_at_s = phase.rows["finished_at_s"]
        for request in range(phase.requests):
            slot = receive()
            if slot is None:
                if not self._lifeline.ended.is_set():
                    raise PeerError(f"link {self._inlet.name} was closed during a run")
                return
            finished_at_s[request] = slot.received_at_s
            if slot.request != request or slot.kind != phase.kind:
                raise MismatchError(f"result {slot.request} came where {request} was due")
            put_credit(True)
            if check_every and request % check_every == 0:
                self._check(phase, slot)
            slot.give_back()
        phase.drained.set()

    def _check(self, phase: _Phase, slot: Slot) -> None:
        answer = self._answers[slot.request % len(self._answers)]
        layouts = self._inlet.layout.tensors
        for result, right, scale, layout in zip(
            slot.arrays, answer.tensors, answer.scales, layouts, strict=True
        ):
            error = _difference(result, right) / scale
            # Written so that NaN does not pass.
            if not error <= WORST_ALLOWED_ERROR:
                raise MismatchError(
                    f"result of request {slot.request} is wrong: {layout.name} differs from the answer by "
                    f"{error:.3g} of its maximum (at most {WORST_ALLOWED_ERROR:g} is allowed)"
                )
            phase.worst_error = max(phase.worst_error, error)
        phase.checked += 1

    def _stop(self, _cause: WorkerError | None) -> None:
        self._credits.put(False)
        if self._phase is not None:
            self._phase.drained.set()


def _scale(answer: Array) -> float:
    """The answer's own maximum, by which errors are divided; 1 when it is zero."""
    return float(np.max(np.abs(answer.astype(np.float64)))) or 1.0


def _difference(result: Array, right: Array) -> float:
    """Largest absolute difference."""
    if result.dtype.kind == "f" and result.dtype.itemsize >= 4:
        difference = np.subtract(result, right)
        return float(np.max(np.abs(difference, out=difference)))
    return float(np.max(np.abs(result.astype(np.float64) - right.astype(np.float64))))
