"""Devices that slow themselves down: let them cool down, and judge their trials as the experiment says."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.console import Progress
from controller.errors import DeviceError, TrialThrottled, TrialVoid
from controller.experiment.schema import Experiment
from controller.lab.worker_client import ClaimedWorker
from controller.results import Trial
from worker.wire.messages import SampleTelemetry

__all__ = ["Throttling", "throttled_in"]

_NOW = 0xF
"""A Raspberry Pi's flags of this moment: under-voltage, clock capped, throttled, soft temperature limit."""

_SINCE_BOOT = 0xF0000
"""The same, at any time since the host came up."""

_LOOK_EVERY_S = 1.0
_ASK_TIMEOUT_S = 30.0


def throttled_in(samples: Sequence[Mapping[str, Any]]) -> int:
    """The flags that a device showed in a trial, the first sample being of the moment before; 0: none."""
    flags = [sample.get("throttled") for sample in samples]
    later = [flag for flag in flags[1:] if flag is not None]
    shown = 0
    for flag in later:
        shown |= flag & _NOW
    before = flags[0] if flags and flags[0] is not None else None
    if later and before is not None:
        # What came and went between two samples.
        shown |= later[-1] & ~before & _SINCE_BOOT
    return shown


class Throttling:
    """As the experiment's `on_throttle`, `cool_to_c` and `cool_wait_s` say."""

    def __init__(self, experiment: Experiment, screen: Progress) -> None:
        self._how = experiment.on_throttle
        self._cool_to_c = experiment.cool_to_c
        self._wait_s = experiment.cool_wait_s
        self._screen = screen

    def tries_again(self, void: TrialVoid) -> bool:
        """Whether that trial is to be tried again once its device has cooled down."""
        return self._how == "wait" and isinstance(void, TrialThrottled)

    def cool_down(self, workers: Iterable[ClaimedWorker]) -> None:
        """Wait until none of these is too warm or throttled, where the experiment says so.

        Raises:
            TrialVoid: One still is after `cool_wait_s`, or was lost meanwhile.
        """
        if self._how != "wait" and self._cool_to_c is None:
            return
        deadline_s = time.monotonic() + self._wait_s
        for worker in workers:
            announced = False
            while why := self._too_warm(worker):
                if time.monotonic() > deadline_s:
                    raise TrialVoid(
                        f"{worker.name}: throttled: {why} after {self._wait_s:g} s; cool it better, or set "
                        f"cool_to_c or cool_wait_s higher",
                        worker.name,
                    )
                if not announced:
                    self._screen.say(f"{worker.name}: {why}; waiting for it to cool down")
                announced = True
                time.sleep(_LOOK_EVERY_S)

    def judge(self, trial: Trial) -> None:
        """Raise TrialThrottled: a device was in it, and such trials are not to count."""
        for device, samples in trial.telemetry.items():
            flags = throttled_in(samples)
            if not flags:
                continue
            what = f"{device}: throttled: flags {flags:#x} (vcgencmd get_throttled) during the trial"
            if self._how != "flag":
                raise TrialThrottled(what, device)
            self._screen.say(f"{what}; kept with its flags")

    def _too_warm(self, worker: ClaimedWorker) -> str | None:
        """Why it is to cool down; None where it need not, or cannot tell."""
        try:
            sample = worker.ask(SampleTelemetry(), timeout_s=_ASK_TIMEOUT_S).samples[-1]
        except DeviceError as error:
            raise TrialVoid.because(error) from error
        warm = self._cool_to_c is not None and (sample.temperature_c or 0.0) > self._cool_to_c
        if warm:
            return f"{sample.temperature_c:.1f} °C, cool_to_c is {self._cool_to_c:g}"
        if self._how == "wait" and (sample.throttled or 0) & _NOW:
            return f"throttled now (flags {sample.throttled:#x})"
        return None
