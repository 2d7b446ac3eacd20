"""How a device was lost, in the words that everyone uses for it."""

import errno
from collections.abc import Iterator

__all__ = ["EXITED", "HELD", "NOT_RESPONDING", "UNREACHABLE", "how_lost"]

EXITED = "exited"
"""The host answers, but no worker does."""

UNREACHABLE = "unreachable"
"""The host does not answer."""

NOT_RESPONDING = "not responding"
"""The worker's host takes connections for it, but it says nothing: it is stopped, or out of its wits."""

HELD = "held"
"""It is not lost: another controller has it."""

_EXITED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)
_UNREACHABLE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


def how_lost(error: BaseException) -> str | None:
    """One of the words above, from what the system said; None where it said nothing of the kind."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _EXITED:
            return EXITED
        if isinstance(one, OSError) and one.errno in _UNREACHABLE:
            return UNREACHABLE
        if isinstance(one, TimeoutError):
            # Python's own, at the end of a timeout that we had set.
            return UNREACHABLE if "does not answer within" in str(error) else NOT_RESPONDING
    return EXITED if "closed the connection" in str(error) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__
