"""The errors that this package raises.

WorkerError                 one line that says what is wrong and where; `kind` is that of its `Problem`
├── UsageError              an option, a port or a pid file is wrong (command line)
├── BusyError               another controller holds the worker
├── MissingError            not in the store
├── RefusedError            the request is wrong: what it names does not fit or is altered
├── MismatchError           a result differs from the answer
├── FailedError             the worker tried, and it did not work
├── PeerError               the other end of a connection was lost, or cannot be reached
│   ├── ProtocolError       the other end violates the protocol
│   └── DeniedError         the other end does not belong to the lab, or does not accept us
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
    """Base of all errors; its text is one line."""

    kind: ClassVar[Kind] = "failed"

    def problem(self) -> Problem:
        """The reply to the controller."""
        return Problem(kind=self.kind, text=one_line(str(self)))


class UsageError(WorkerError):
    """An option, a port or a pid file is wrong."""

    kind = "refused"


class BusyError(WorkerError):
    """Another controller holds the worker."""

    kind = "busy"


class MissingError(WorkerError):
    """The store lacks a bundle or shard."""

    kind = "missing"


class RefusedError(WorkerError):
    """The request is wrong, or names something altered or unsuitable."""

    kind = "refused"


class MismatchError(WorkerError):
    """A result differs from the answer."""

    kind = "mismatch"


class FailedError(WorkerError):
    """The worker tried, and it did not work."""


class PeerError(WorkerError):
    """The other end was lost or cannot be reached."""

    kind = "peer"


class ProtocolError(PeerError):
    """The other end violates the protocol."""


class DeniedError(PeerError):
    """The other end does not belong to the lab, or does not accept us."""


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
    """Foreign text as one line without control characters, safe for a terminal."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
