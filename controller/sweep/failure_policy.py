"""What a sweep does when something failed: as the experiment's `on_failure` says."""

from collections.abc import Sequence

from controller.console import Progress
from controller.errors import ControllerError, DeviceError, InvalidReply
from controller.experiment.schema import Experiment
from controller.lab.worker_pool import WorkerPool
from controller.sweep.recorder import Recorder

__all__ = ["TRIES", "FailurePolicy"]

_RESUME = "finished trials are saved; run the same command to resume"

TRIES = 3
"""How often a cell is tried while a sweep waits: what fails each time is no device's absence."""


class FailurePolicy:
    """Stops the sweep, or recovers the workers and continues without the lost ones, or waits for them.

    Attributes:
        lost: Devices that the sweep continues without.
    """

    def __init__(
        self, experiment: Experiment, pool: WorkerPool, recorder: Recorder, screen: Progress
    ) -> None:
        self._how = experiment.on_failure
        self._wait_s = experiment.wait_s
        self._pool = pool
        self._recorder = recorder
        self._screen = screen
        self.lost: set[str] = set()

    @property
    def tries(self) -> int:
        """How often a cell or a baseline is tried."""
        return TRIES if self._how == "wait" else 1

    def retried(self, what: str) -> None:
        """A trial was void and is tried again, regardless of the experiment."""
        self._recorder.note_void(what)
        self._screen.say(f"void: {what}; trying again")

    def unsound(self, what: str, *, again: bool) -> None:
        """What a trial measured cannot be true: the sweep continues whatever the experiment says."""
        self._recorder.note_void(what)
        then = "trying again at the end of the block" if again else "flagged in this block; continuing"
        self._screen.say(f"void: {what}; {then}")

    def void(self, what: str) -> None:
        """A trial was void.

        Raises:
            ControllerError: The experiment says to stop; or to wait, and a device did not come back.
        """
        self._recorder.note_void(what)
        if self._how == "stop":
            raise ControllerError(f"void trial ({what}); {_RESUME}")
        self._go_on(f"void: {what}")

    def untimed(self, what: str) -> None:
        """A device failed while a stage was timed alone: the trial before it counts.

        Raises:
            ControllerError: See `void`.
        """
        if self._how == "stop":
            raise ControllerError(f"{what}; {_RESUME}")
        self._go_on(what)

    def failed(self, what: str, error: DeviceError) -> None:
        """Something else failed, such as a baseline; after an invalid reply the sweep continues in any case.

        Raises:
            ControllerError: See `void`.
        """
        if isinstance(error, InvalidReply):
            self._screen.say(f"{what}; continuing")
            return
        if self._how == "stop":
            raise error
        self._go_on(what)

    def _go_on(self, what: str) -> None:
        if self._how == "skip":
            self._screen.say(f"{what}; continuing")
            self.give_up(self._recover())
            return
        self._screen.say(f"{what}; waiting at most {self._wait_s:g} s for all devices")
        if away := self._recover():
            waited = "" if away[0].lasting else f"; waited {self._wait_s:g} s"
            raise ControllerError(f"{away[0]}{waited}; {_RESUME}")

    def _recover(self) -> list[DeviceError]:
        """Claim the devices again, and note how they have changed; the errors of those that are away."""
        away = self._pool.recover()
        self._recorder.note_devices(self._pool.infos)
        return away

    def give_up(self, why: Sequence[DeviceError]) -> None:
        """Continue without these devices."""
        for error in why:
            self.lost.add(error.device)
            self._screen.say(f"gave up on {error}; cells that need this device are skipped")
