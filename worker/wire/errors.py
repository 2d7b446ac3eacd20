"""The errors that this package raises, as one line each."""

import errno
from typing import ClassVar, Final

from worker.terminal import one_line
from worker.wire.messages import LONGEST_PROBLEM, Problem, ProblemKind

__all__ = [
    "DISK_FULL",
    "OUT_OF_MEMORY",
    "BusyError",
    "DeniedError",
    "FailedError",
    "MismatchError",
    "MissingError",
    "PeerError",
    "ProtocolError",
    "RefusedError",
    "ReplyError",
    "RequestError",
    "UsageError",
    "WorkerError",
    "in_short",
    "reason_of",
]

OUT_OF_MEMORY: Final = "out of memory"
DISK_FULL: Final = "disk full"

_MEMORY: Final = (
    "bad alloc",
    "bad_alloc",
    "failed to allocate memory",
    "out of memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
)
"""Texts of ONNX Runtime, the C++ library, the loader and Python's threads, in lower case; none raises
MemoryError."""


class WorkerError(Exception):
    """Base of all errors; its text is one line, and `kind` is that of its `Problem`."""

    kind: ClassVar[ProblemKind] = "failed"

    def problem(self) -> Problem:
        """The reply to the controller."""
        return Problem(kind=self.kind, text=in_short(str(self)))


class UsageError(WorkerError):
    """An option, a port or a file of the command line is wrong."""

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


class ReplyError(WorkerError):
    """A worker's reply does not answer the request, or cannot be true; the connection remains usable."""


class DeniedError(PeerError):
    """The other end does not belong to the lab, or does not accept us."""


class RequestError(WorkerError):
    """A worker (`peer`, host:port) answered the controller with a `Problem`."""

    def __init__(self, problem: Problem, peer: str) -> None:
        super().__init__(f"{peer}: {one_line(problem.text)}")
        self._problem = problem
        self.peer = peer

    def problem(self) -> Problem:
        """The problem as the worker put it."""
        return self._problem


def in_short(text: str) -> str:
    """Return foreign text as one line without control characters, cut to what a `Problem` may have."""
    line = one_line(text)
    return line if len(line) <= LONGEST_PROBLEM else f"{line[: LONGEST_PROBLEM - 3]}..."


def reason_of(error: BaseException) -> str:
    """The error's text in one line, after what the device has run out of, if anything."""
    text = " ".join((getattr(error, "strerror", None) or str(error)).split())
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"{DISK_FULL} ({text})"
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return f"{OUT_OF_MEMORY} ({text})" if text else OUT_OF_MEMORY
    return f"{OUT_OF_MEMORY} ({text})" if any(words in text.lower() for words in _MEMORY) else text
