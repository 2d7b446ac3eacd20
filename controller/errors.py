"""The controller's errors: each is one line for the user, and `python -m controller` exits with 2."""

import difflib
import errno
import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from worker.terminal import one_line

__all__ = [
    "ControllerError",
    "DeviceError",
    "EXITED",
    "ExperimentError",
    "HELD",
    "INVALID_REPLY",
    "InvalidReply",
    "LabError",
    "LinkMismatch",
    "NOT_RESPONDING",
    "PlanError",
    "ProfileError",
    "StoreError",
    "TrialThrottled",
    "TrialUnsound",
    "TrialVoid",
    "UNREACHABLE",
    "did_you_mean",
    "edgecut_command",
    "how_lost",
    "one_line",
]


class ControllerError(Exception):
    """Base of the controller's errors; its text names the cause and says what to do."""


class ExperimentError(ControllerError):
    """The experiment has a wrong key, type, unit or name."""


class LabError(ControllerError):
    """The lab file is missing or wrong, or lacks a device."""


class LinkMismatch(ControllerError):
    """A measured link does not match the network that it should have."""


class StoreError(ControllerError):
    """The results file is missing, damaged, not writable, or another experiment's."""


class ProfileError(ControllerError):
    """The device profile is missing, or does not match the bundle or the devices."""


class PlanError(ControllerError):
    """No plan meets the request; names the limit at fault."""


class DeviceError(ControllerError):
    """A device does not answer or refuses.

    Attributes:
        device: Its name.
        lasting: Whether waiting does not help.
        cause: One of the causes below, such as `EXITED`; None for a device that is not lost.
    """

    def __init__(self, device: str, text: str, *, lasting: bool = False, cause: str | None = None) -> None:
        super().__init__(f"{device}: {text}")
        self.device = device
        self.lasting = lasting
        self.cause = cause


class InvalidReply(DeviceError):
    """A device answered with what cannot be true. It is not lost, and may be asked again."""


INVALID_REPLY: Final = "invalid reply: "
"""Begins the reason of a trial that is void by a reply."""


class TrialVoid(ControllerError):
    """The running trial does not count. `device` is the device at fault, where known."""

    def __init__(self, text: str, device: str | None = None) -> None:
        super().__init__(text)
        self.device = device

    @classmethod
    def because(cls, error: Exception) -> "TrialVoid":
        """What an error means for the running trial."""
        if isinstance(error, InvalidReply):
            return TrialUnsound(f"{INVALID_REPLY}{error}", error.device)
        return cls(str(error), error.device if isinstance(error, DeviceError) else None)


class TrialThrottled(TrialVoid):
    """A device slowed itself down during the trial."""


class TrialUnsound(TrialVoid):
    """What was measured cannot be true: a reply of `device`, or records that break a law of every good trial.

    Nothing was lost, so the trial is run again, whatever the experiment does after a failure.
    """


def edgecut_command(*words: object) -> str:
    """Return a command of `edgecut` as advice: it can be pasted, whatever its paths are."""
    return shlex.join(["edgecut", *map(str, words)])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, else the list of known names."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; choose from: {', '.join(known)}"


EXITED = "exited"
"""The host answers, but no worker does."""

UNREACHABLE = "unreachable"
"""The host does not answer."""

NOT_RESPONDING = "not responding"
"""The host accepts the connection, but the worker sends nothing: the process is stopped or hung."""

HELD = "held"
"""Another controller holds the worker; the device is not lost."""

_EXITED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)

_UNREACHABLE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


def how_lost(error: BaseException) -> str | None:
    """Return one of the causes above for an error; None where it does not mean a lost device."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _EXITED:
            return EXITED
        if isinstance(one, OSError) and one.errno in _UNREACHABLE:
            return UNREACHABLE
        if isinstance(one, TimeoutError):
            # Python's own error, after a timeout of ours.
            return UNREACHABLE if "does not answer within" in str(error) else NOT_RESPONDING
    return EXITED if "closed the connection" in str(error) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__
