"""What can go wrong in the controller.

```
ControllerError            one line for the user; `python -m controller` exits with 2
├── ExperimentError        the experiment file: wrong key, type, unit, name
├── LabError               the lab: no such device, no lab file
├── StoreError             the results file: of another experiment, not writable, not one of ours
├── ProfileError           the profile: none, of another bundle or setting, not one of ours
├── PlanError              no plan keeps the constraints
├── DeviceError            a device: not there, held by another, refuses
└── TrialVoid              a trial that does not count: device lost, wrong result, time out
    └── TrialThrottled     a device slowed itself down in it
```
"""

import difflib
import errno
from collections.abc import Iterable, Iterator

from worker.wire.errors import one_line

__all__ = [
    "ControllerError",
    "DeviceError",
    "EXITED",
    "ExperimentError",
    "HELD",
    "LabError",
    "NOT_RESPONDING",
    "PlanError",
    "ProfileError",
    "StoreError",
    "TrialThrottled",
    "TrialVoid",
    "UNREACHABLE",
    "did_you_mean",
    "how_lost",
    "one_line",
]


class ControllerError(Exception):
    """Base of all below; its text is one line that names the culprit and says what to do."""


class ExperimentError(ControllerError):
    """The experiment file cannot be used as it is."""


class LabError(ControllerError):
    """The lab cannot be used as it is."""


class StoreError(ControllerError):
    """The results file cannot be used."""


class ProfileError(ControllerError):
    """The profile cannot be used."""


class PlanError(ControllerError):
    """There is no plan as it is asked for; says which constraint stands in the way."""


class DeviceError(ControllerError):
    """A device is not there or refuses.

    Attributes:
        device: Its name.
        lasting: Waiting does not help.
        cause: How it was lost, in a word of `controller.loss`; None where it was not.
    """

    def __init__(self, device: str, text: str, *, lasting: bool = False, cause: str | None = None) -> None:
        super().__init__(f"{device}: {text}")
        self.device = device
        self.lasting = lasting
        self.cause = cause


class TrialVoid(ControllerError):
    """The trial that was running does not count. `device` is the one to blame, where known."""

    def __init__(self, text: str, device: str | None = None) -> None:
        super().__init__(text)
        self.device = device


class TrialThrottled(TrialVoid):
    """A device slowed itself down during the trial."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one is near, else the list of what there is."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"


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
