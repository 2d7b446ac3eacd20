"""A hop: receive | compute | send around one stage, each in its own thread."""

import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

import numpy as np

from worker.clock import clock, sharpen_sleep
from worker.inference.stage import BoundStage
from worker.links.cancel_scope import CancelScope, ThreadGroup
from worker.links.ends import Inlet, Outlet
from worker.links.sender import Sender
from worker.links.slots import Slot, SlotPool
from worker.records import Ledger
from worker.wire.errors import FailedError, RefusedError, WorkerError

__all__ = ["Hop", "input_count"]

_LAST_ROW_S: Final = 10.0
"""A busy device may leave a thread waiting for seconds."""

_MOST_INPUT_BYTES: Final = 16 * 1024 * 1024


def input_count(keeps: int, payload_bytes: int) -> int:
    """How many inputs of this size a hop keeps if asked for `keeps`: as many as fit, at least one."""
    return min(keeps, max(1, _MOST_INPUT_BYTES // max(1, payload_bytes)))


class Hop:
    """Compute each request from the inlet into the outlet, and record it.

    The inlet decodes in the receive thread and the outlet encodes in the send thread, so that neither delays
    the compute thread. A link's end that takes no time (in-process; emulated without a codec) has no thread.
    """

    def __init__(
        self,
        stage: BoundStage,
        inlet: Inlet,
        outlet: Outlet,
        scope: CancelScope,
        *,
        start: int,
        stop: int,
        records: bool = True,
        keeps: int = 0,
    ) -> None:
        """`keeps`: how many of the first requests' inputs to keep; fewer where they are large."""
        self.start, self.stop = start, stop
        self._stage = stage
        self._inlet, self._outlet = inlet, outlet
        self._scope = scope
        self._ledger = Ledger()
        self._computed = 0
        self._recorded = 0
        self._arrived: SimpleQueue[Slot | None] = SimpleQueue()
        self._sender = Sender(outlet, scope)
        self._threads = ThreadGroup(scope)
        self._records = records
        keeps = input_count(keeps, inlet.layout.payload_bytes)
        self._free_slots = list(SlotPool(inlet.layout, keeps - 1).slots) if keeps else []
        self._inputs: list[Slot] = []
        if records:
            outlet.on_sent = self._record
        scope.at_end(self._stop)

    def begin(self) -> None:
        """Start the threads; the links' other ends need not be connected yet."""
        name = f"{self.start}-{self.stop}"
        self._threads.begin(f"compute {name}", self._compute)
        if not self._inlet.immediate:
            self._threads.begin(f"receive {name}", self._receive)
        self._sender.begin(self._threads, name)

    def join(self) -> None:
        """Wait for the threads; the scope has ended."""
        self._threads.join()

    def time_alone(self, abandoned: Callable[[], bool], *, at_full_speed: bool = False) -> float:
        """Mean seconds of a run of the stage alone; see `BoundStage`. No request may be in the hop.

        Args:
            at_full_speed: leave out the slowdown, and fix how long the stage takes by the result.

        Raises:
            RefusedError: no input was kept.
            FailedError: the stage cannot be run, or `abandoned`.
        """
        if not self._inputs:
            raise RefusedError(f"{self._stage.label} has kept no request to be timed on")
        if not at_full_speed:
            return self._stage.time_alone(self._inputs, abandoned)
        return self._stage.fix_full_speed(self._inputs, abandoned)

    def take_rows(self) -> bytes:
        """Records since the run began, as rows of `worker.records.HOP`; they are then forgotten.

        Waits: the hop writes the last row after it has sent the last frame, maybe after the result is back.

        Raises:
            WorkerError: the pipeline failed, or the last row does not come.
        """
        deadline_s = clock() + _LAST_ROW_S
        while self._recorded < self._computed:
            self._scope.check()
            if self._scope.ended.is_set() or clock() > deadline_s:
                missing = self._computed - self._recorded
                raise FailedError(f"{self._stage.label}: {missing} records are missing at the end of a run")
            time.sleep(0.001)
        return self._ledger.take()

    def _receive(self) -> None:
        while (slot := self._inlet.receive()) is not None:
            self._arrived.put(slot)

    def _compute(self) -> None:
        sharpen_sleep()
        receive = self._inlet.receive if self._inlet.immediate else self._arrived.get
        take, run, send = self._outlet.pool.take, self._stage.run, self._sender.send
        passes_on, records, free_slots = bool(self._stage.passed_on), self._records, self._free_slots
        while (arrived := receive()) is not None and (leaving := take()) is not None:
            if free_slots:
                self._keep(arrived)
            began_s = clock()
            run(arrived, leaving)
            ended_s = clock()
            leaving.request = arrived.request
            leaving.ready_at_s = ended_s
            leaving.noted = (
                arrived.request,
                arrived.received_at_s,
                began_s,
                arrived.receive_s,
                began_s - arrived.received_at_s - arrived.decode_s,
                arrived.decode_s,
                ended_s - began_s,
            )
            if passes_on:
                leaving.held = arrived
            else:
                arrived.give_back()
            if records:
                self._computed += 1
            send(leaving)

    def _keep(self, arrived: Slot) -> None:
        slot = self._free_slots.pop()
        for copy, array in zip(slot.arrays, arrived.arrays, strict=True):
            np.copyto(copy, array)
        self._inputs.append(slot)

    def _record(self, slot: Slot, wait_send_s: float, send_s: float) -> None:
        self._ledger.append(slot.noted, slot.encode_s, wait_send_s, send_s)
        self._recorded += 1

    def _stop(self, _cause: WorkerError | None) -> None:
        self._arrived.put(None)
