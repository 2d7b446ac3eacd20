"""The source: create and send requests."""

import itertools
from queue import SimpleQueue

from worker.clock import clock, sharpen_sleep, sleep_until
from worker.endpoint.inputs import Inputs
from worker.endpoint.progress import Progress
from worker.links.ends import Outlet
from worker.links.slots import Slot

__all__ = ["Source"]


class Source:
    """Send requests to `outlet`, at most `depth` at once: each takes a credit, its result returns it."""

    def __init__(self, outlet: Outlet, inputs: Inputs, depth: int) -> None:
        self._outlet, self._inputs, self._depth = outlet, inputs, depth
        # When each was given: in a closed loop its request is due then, however late this thread wakes.
        self._credits: SimpleQueue[float | None] = SimpleQueue()

    @property
    def never_waits(self) -> bool:
        """Whether a request waits only for a credit, so that the sink's thread may send it."""
        return self._outlet.immediate and self._inputs.ready

    def begin(self) -> None:
        """Begin a run with all credits, and none left over from one that ended early."""
        self._credits = SimpleQueue()
        for _ in range(self._depth):
            self._credits.put(clock())

    def stop(self) -> None:
        """End the waits: the pipeline has ended."""
        self._credits.put(None)

    def give_credit(self) -> None:
        """Return a result's credit: `send_all` may send another request."""
        self._credits.put(clock())

    def send_all(self, progress: Progress) -> None:
        """Send all requests of a run, each as soon as it is due and has a credit."""
        try:
            self._send_all(progress)
        finally:
            progress.end_requests()

    def send_first(self, progress: Progress) -> None:
        """Send as many requests as the depth allows; `send_next` sends the others."""
        for _ in range(self._depth):
            self.send_next(progress)

    def send_next(self, progress: Progress) -> None:
        """Send one more request, if any, for a result that came back. Only if this `never_waits`."""
        request = len(progress.scheduled_at_s)
        if progress.over.is_set():
            progress.end_requests()
            return
        due_s = clock()
        if (slot := self._outlet.pool.take()) is not None:
            self._send(progress, slot, request, due_s)

    def _send_all(self, progress: Progress) -> None:
        outlet, over, offsets_s = self._outlet, progress.over, progress.offsets_s
        if offsets_s is not None:
            sharpen_sleep()
        began_s = due_s = clock()
        for request in itertools.count():
            if over.is_set():
                return
            if offsets_s is not None:
                due_s = began_s + next(offsets_s)
                if not sleep_until(due_s, over):
                    return
            credit_s = self._credits.get()
            if credit_s is None or over.is_set() or (slot := outlet.pool.take()) is None:
                return
            if offsets_s is None:
                due_s = credit_s
            if not self._send(progress, slot, request, due_s) or progress.overloaded:
                return

    def _send(self, progress: Progress, slot: Slot, request: int, due_s: float) -> bool:
        """Fill the slot and send it; False once the pipeline has ended."""
        batch = self._inputs.take(request)
        if batch is None:
            return False
        slot.arrays = batch.arrays
        slot.buffers[1:] = batch.buffers
        slot.request = request
        slot.ready_at_s = ready_s = clock()
        if ready_s - due_s > progress.longest_wait_s and not progress.over.is_set():
            # Before it is sent: its result is the last that the sink may wait for.
            progress.overloaded = True
            progress.last = request
        progress.scheduled_at_s.append(due_s)
        progress.wait_source_s.append(ready_s - due_s)
        progress.prepare_s.append(batch.prepare_s)
        self._outlet.send(slot)
        # The slot may be on its way back already, but only this thread takes it.
        progress.encode_s.append(slot.encode_s)
        return True
