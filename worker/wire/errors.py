"""Everything that this package raises on purpose.

WorkerError                 one line that says what and where; `kind` is the kind of its `Problem`
├── UsageError              an option, a port or a pid file is wrong (command line)
├── BusyError               another controller holds the worker
├── MissingError            not in the store
├── RefusedError            the request is wrong: what it names does not fit or is altered
├── MismatchError           a result differs from the answer
├── FailedError             it was tried and did not work
├── PeerError               the other end of a connection was lost, or cannot be reached
│   ├── ProtocolError       the other end does not keep to the protocol
│   └── DeniedError         the other end does not belong to the lab, or takes us for somebody who does not
└── RequestError            a worker answered a request with a `Problem` (seen by the controller)
"""

from typing import ClassVar, Literal

from worker.wire.base import Problem

__all__ = [
    "BusyError",
    "DeniedError",
    "FailedError",
    "MismatchError",
    "MissingError",
    "PeerError",
    "ProtocolError",
    "RefusedError",
    "RequestError",
    "UsageError",
    "WorkerError",
    "one_line",
]

Kind = Literal["busy", "missing", "refused", "mismatch", "peer", "failed"]


class WorkerError(Exception):
    """Base of all; its text is one line."""

    kind: ClassVar[Kind] = "failed"

    def problem(self) -> Problem:
        """What is told to the controller."""
        return Problem(kind=self.kind, text=one_line(str(self)))


class UsageError(WorkerError):
    """An option, a port or a pid file is wrong."""

    kind = "refused"


class BusyError(WorkerError):
    """Another controller holds the worker."""

    kind = "busy"


class MissingError(WorkerError):
    """The store lacks what was named."""

    kind = "missing"


class RefusedError(WorkerError):
    """The request is wrong, or what it names is altered or does not fit."""

    kind = "refused"


class MismatchError(WorkerError):
    """A result differs from the answer."""

    kind = "mismatch"


class FailedError(WorkerError):
    """It was tried and did not work."""


class PeerError(WorkerError):
    """The other end was lost or cannot be reached."""

    kind = "peer"


class ProtocolError(PeerError):
    """The other end does not keep to the protocol."""


class DeniedError(PeerError):
    """The other end does not belong to the lab, or takes us for somebody who does not."""


class RequestError(WorkerError):
    """A worker (`peer`, host:port) answered with a `Problem`."""

    def __init__(self, problem: Problem, peer: str) -> None:
        super().__init__(f"{peer}: {one_line(problem.text)}")
        self._problem = problem
        self.peer = peer

    def problem(self) -> Problem:
        """The problem as the worker put it."""
        return self._problem


def one_line(text: str) -> str:
    """Text of others as one line that a terminal shows and does not obey: without control characters."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
