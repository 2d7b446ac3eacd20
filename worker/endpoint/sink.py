"""The sink: receive and check results."""

import itertools
from collections.abc import Callable

from worker.clock import clock
from worker.endpoint.answers import Answers
from worker.endpoint.progress import Progress
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Inlet
from worker.wire.errors import MismatchError, PeerError

__all__ = ["Sink"]


class Sink:
    """Receive results from `inlet`, note when each arrived, and compare every `check_every`th."""

    def __init__(
        self, inlet: Inlet, answers: Answers | None, scope: CancelScope, *, check_every: int
    ) -> None:
        self._inlet, self._answers, self._scope = inlet, answers, scope
        self._check_every = check_every

    def receive_all(self, progress: Progress, on_result: Callable[[], None]) -> None:
        """Receive all results of a run; call `on_result` for each before comparing it.

        Raises:
            MismatchError: a result differs from the answer, or is out of order.
            PeerError: the pipeline was closed.
        """
        receive, answers = self._inlet.receive, self._answers
        over, first = progress.over, progress.length.first
        for request in itertools.count():
            slot = receive()
            if slot is None:
                if not self._scope.ended.is_set():
                    raise PeerError(f"link {self._inlet.name} was closed during a run")
                return
            if slot.request != request:
                raise MismatchError(f"result {slot.request} arrived, but {request} was expected")
            # Not when it was handed over: a credit returns only now, and a result that waits for this thread
            # in a socket's buffer counts alike.
            progress.note_result(clock(), slot.decode_s)
            on_result()
            if answers is not None and (request - first) % self._check_every == 0:
                progress.worst_error = max(progress.worst_error, answers.check(slot))
            slot.give_back()
            if over.is_set():
                # Requests sent meanwhile are still to come back.
                progress.sent_all.wait()
            if request == progress.last:
                break
        progress.drained.set()
