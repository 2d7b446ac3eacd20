"""Inputs of requests: all prepared before the run, or each during it, some ahead."""

import itertools
import threading
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Final

import numpy as np

from worker.clock import clock
from worker.links.cancel_scope import CancelScope
from worker.links.slots import Array, bytes_of
from worker.wire.errors import RefusedError

__all__ = ["Batch", "Inputs", "make_inputs"]

_LOOK_S: Final = 0.1


@dataclass(frozen=True)
class Batch:
    """The input of one request, and how long its preparation took during the run."""

    arrays: list[Array]
    buffers: list[memoryview]
    prepare_s: float = 0.0


class Inputs:
    """The inputs of the source: `take` once a request, in order.

    `ready`: all are prepared, so `take` costs no time.
    """

    ready = False

    def begin(self) -> None:
        """Begin a run, at request 0."""

    def take(self, request: int) -> Batch | None:
        """Wait for the input of that request; None once the pipeline has ended."""
        raise NotImplementedError

    def end(self) -> None:
        """End the run."""


def make_inputs(batches: list[list[Array]], prefetch: int | None, depth: int, scope: CancelScope) -> Inputs:
    """Inputs that cycle through the different batches.

    Args:
        batches: each as views of the samples, in the order of the link's tensors.
        prefetch: None prepares all here. Else each is prepared during the run, in its own memory, up to so
            many ahead of the source; with 0 the source prepares each itself.

    Raises:
        RefusedError: a prefetch below 0.
    """
    if prefetch is None:
        return _Ready(batches)
    if prefetch < 0:
        raise RefusedError(f"prefetch {prefetch}: must be 0 or more")
    made = _MadeInTime(batches, depth + prefetch + 2)
    return _Ahead(made, prefetch, scope) if prefetch else made


class _Ready(Inputs):
    ready = True

    def __init__(self, batches: list[list[Array]]) -> None:
        self._batches = [Batch(arrays, [bytes_of(array) for array in arrays]) for arrays in batches]

    def take(self, request: int) -> Batch:
        return self._batches[request % len(self._batches)]


class _MadeInTime(Inputs):
    """Copy a request's samples into one of `buffers` sets of arrays, used in turn.

    A set is free again when the result of its request is back: besides the `depth` in flight, `prefetch` are
    ahead, one is being prepared, and one is being compared.
    """

    def __init__(self, batches: list[list[Array]], buffers: int) -> None:
        self._batches = batches
        made = [[np.empty_like(array) for array in batches[0]] for _ in range(buffers)]
        self._memory = [(arrays, [bytes_of(array) for array in arrays]) for arrays in made]

    def take(self, request: int) -> Batch:
        began_s = clock()
        arrays, buffers = self._memory[request % len(self._memory)]
        for array, samples in zip(arrays, self._batches[request % len(self._batches)], strict=True):
            np.copyto(array, samples)
        return Batch(arrays, buffers, clock() - began_s)


class _Ahead(Inputs):
    """The same in its own thread, up to `prefetch` ahead of the source."""

    def __init__(self, made: _MadeInTime, prefetch: int, scope: CancelScope) -> None:
        self._made = made
        self._prefetch = prefetch
        self._scope = scope
        self._over = threading.Event()
        self._queue: Queue[Batch] = Queue()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._over = threading.Event()
        self._queue = Queue(self._prefetch)
        self._thread = threading.Thread(
            target=self._work, args=(self._queue, self._over), name="prefetch", daemon=True
        )
        self._thread.start()

    def take(self, request: int) -> Batch | None:
        while not self._scope.ended.is_set():
            try:
                return self._queue.get(timeout=_LOOK_S)
            except Empty:
                continue
        return None

    def end(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self, queue: "Queue[Batch]", over: threading.Event) -> None:
        for request in itertools.count():
            batch = self._made.take(request)
            while True:
                if over.is_set() or self._scope.ended.is_set():
                    return
                try:
                    queue.put(batch, timeout=_LOOK_S)
                    break
                except Full:
                    continue
