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

from worker.wire.errors import one_line

__all__ = [
    "ControllerError",
    "DeviceError",
    "ExperimentError",
    "LabError",
    "PlanError",
    "ProfileError",
    "StoreError",
    "TrialThrottled",
    "TrialVoid",
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
