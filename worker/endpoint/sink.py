"""The sink: where results end."""

import itertools
from collections.abc import Callable

from worker.endpoint.answers import Answers
from worker.endpoint.run import Run
from worker.links import Inlet
from worker.links.cancel_scope import CancelScope
from worker.wire.errors import MismatchError, PeerError

__all__ = ["Sink"]


class Sink:
    """Takes results from `inlet`, notes when each came, and compares every `check_every`th."""

    def __init__(
        self, inlet: Inlet, answers: Answers | None, scope: CancelScope, *, check_every: int
    ) -> None:
        self._inlet, self._answers, self._scope = inlet, answers, scope
        self._check_every = check_every

    def receive_all(self, run: Run, on_result: Callable[[], None]) -> None:
        """Take all results of a run, and tell of each before it is compared.

        Raises:
            MismatchError: a result differs from the answer, or is out of order.
            PeerError: the pipeline was closed.
        """
        receive, answers = self._inlet.receive, self._answers
        for request in itertools.count():
            slot = receive()
            if slot is None:
                if not self._scope.ended.is_set():
                    raise PeerError(f"link {self._inlet.name} was closed during a run")
                return
            run.finished_at_s.append(slot.received_at_s + slot.decode_s)
            run.decode_s.append(slot.decode_s)
            if slot.request != request or slot.kind != run.kind:
                raise MismatchError(f"result {slot.request} came where {request} was due")
            if not run.over.is_set() and run.windows.ends(run.scheduled_at_s, run.finished_at_s):
                run.over.set()
            on_result()
            if answers is not None and (request - run.windows.filling) % self._check_every == 0:
                run.worst_error = max(run.worst_error, answers.check(slot))
            slot.give_back()
            if run.over.is_set():
                # What was sent meanwhile is still to come back.
                run.sent_all.wait()
            if request == run.last:
                break
        run.drained.set()
