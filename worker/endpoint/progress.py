"""The progress of one run of requests, shared by its source and its sink."""

import threading
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.endpoint.load import due_offsets_s, longest_wait_s
from worker.endpoint.run_length import RunLength
from worker.records import ENDPOINT
from worker.wire.messages import LoadSpec

__all__ = ["Progress"]

_TIMES: Final = (
    *("scheduled_at_s", "finished_at_s", "wait_source_s", "prepare_s"),
    *("encode_s", "decode_s"),
)


class Progress:
    """Times of every request, appended by the one thread that knows them.

    Attributes:
        stop: one past the last request that counts, once its result is back.
        last: the number of the last request, once known.
        over: enough results are back; set before the credit that would let the source send another request.
        sent_all: the source sends no more, and `last` is known.
        drained: all results are back, or never will be.
    """

    def __init__(self, length: RunLength, load: LoadSpec) -> None:
        self.length = length
        self.offsets_s = due_offsets_s(load)
        self.longest_wait_s = longest_wait_s(load)
        self.scheduled_at_s = array("d")
        self.finished_at_s = array("d")
        self.wait_source_s = array("d")
        self.prepare_s = array("d")
        self.encode_s = array("d")
        self.decode_s = array("d")
        self.worst_error = 0.0
        self.overloaded = False
        self.stop: int | None = None
        self.last: int | None = None
        self.over = threading.Event()
        self.sent_all = threading.Event()
        self.drained = threading.Event()

    def note_result(self, finished_at_s: float, decode_s: float) -> None:
        """Note when the next result was complete, and whether it is the last that counts."""
        self.finished_at_s.append(finished_at_s)
        self.decode_s.append(decode_s)
        if not self.over.is_set() and self.length.is_reached(self.finished_at_s):
            self.stop = len(self.finished_at_s)
            self.over.set()

    def end_requests(self) -> None:
        """Note that the source sends no more."""
        self.last = len(self.scheduled_at_s) - 1
        self.sent_all.set()

    def rows(self) -> NDArray[np.void]:
        """All requests (`ENDPOINT`): those that count, and those that filled and drained the pipeline."""
        rows = np.zeros(len(self.finished_at_s), ENDPOINT)
        rows["request"] = np.arange(len(rows))
        for name in _TIMES:
            rows[name] = getattr(self, name)
        np.subtract(rows["finished_at_s"], rows["scheduled_at_s"], out=rows["latency_s"])
        first, stop = self._counted
        rows["counted"][first:stop] = 1
        return rows

    def elapsed_s(self) -> float:
        """Seconds in which the requests that count came back, one after the other.

        Counted from the result before the first one, so that the pipeline is as full at the beginning as at
        the end. Under overload, where all count, counted from when the first was due.
        """
        first, stop = self._counted
        began_s = self.finished_at_s[first - 1] if first else self.scheduled_at_s[0]
        return self.finished_at_s[stop - 1] - began_s

    @property
    def _counted(self) -> tuple[int, int]:
        """The first request that counts, and one past the last: of an overloaded run, all."""
        if self.overloaded or self.stop is None:
            return 0, len(self.finished_at_s)
        return self.length.first, self.stop
