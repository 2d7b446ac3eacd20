"""The sink: where results end."""

import itertools
from collections.abc import Callable

from worker.endpoint.answers import Answers
from worker.endpoint.run import Stretch
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

    def receive_all(self, stretch: Stretch, on_result: Callable[[], None]) -> None:
        """Take all results of a stretch, and tell of each before it is compared.

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
            stretch.finished_at_s.append(slot.received_at_s + slot.decode_s)
            stretch.decode_s.append(slot.decode_s)
            if slot.request != request or slot.kind != stretch.kind:
                raise MismatchError(f"result {slot.request} came where {request} was due")
            if not stretch.over.is_set() and stretch.windows.ends(
                stretch.scheduled_at_s, stretch.finished_at_s
            ):
                stretch.over.set()
            on_result()
            if answers is not None and (request - stretch.windows.filling) % self._check_every == 0:
                stretch.worst_error = max(stretch.worst_error, answers.check(slot))
            slot.give_back()
            if stretch.over.is_set():
                # What was sent meanwhile is still to come back.
                stretch.sent_all.wait()
            if request == stretch.last:
                break
        stretch.drained.set()
