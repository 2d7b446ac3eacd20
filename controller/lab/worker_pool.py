"""The workers that a sweep holds, and their recovery after a failure."""

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from controller.errors import HELD, DeviceError
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.results import DeviceRow, Link
from worker.wire.codecs import available_codecs, lack_of, parse_codec
from worker.wire.messages import DeviceInfo

__all__ = ["WorkerPool", "holder_name"]

LinkCheck = Callable[[ClaimedWorker], None]


def holder_name() -> str:
    """This controller's name, for others that find a worker held."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


class WorkerPool:
    """The claimed workers of a lab, by device name.

    Attributes:
        absent: The errors of devices that did not answer at the start.
    """

    def __init__(
        self,
        lab: Lab,
        names: Sequence[str],
        wait_s: float,
        *,
        link_check: LinkCheck | None = None,
        without_absent: bool = False,
    ) -> None:
        """Name the workers; entering the pool claims them.

        Args:
            wait_s: The total wait for devices that do not answer at once.
            link_check: Checks every claimed worker; raises DeviceError where its link is wrong.
            without_absent: Continue without devices that do not answer, as long as one does.
        """
        self._lab = lab
        self._wait_s = wait_s
        # A chain may have several stages on one device, which is claimed once.
        self._names = tuple(dict.fromkeys(names))
        self._holder = holder_name()
        self._link_check = link_check
        self._without_absent = without_absent
        self._links: dict[str, object] = {}
        self._made_of: dict[str, tuple[str, ...]] = {}
        self.workers: dict[str, ClaimedWorker] = {}
        self.absent: list[DeviceError] = []

    def __enter__(self) -> Self:
        """Claim the workers; raises DeviceError if one (or, with `without_absent`, each) does not answer."""
        try:
            self.absent = self._claim_all(self._names)
            if self.absent and not (self._without_absent and self.workers):
                raise self.absent[0]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def require_codecs(self, links: Iterable[Link]) -> None:
        """Check that both ends of every link have its codec, except absent devices.

        Raises:
            DeviceError: A device lacks a codec; names both, and the package that provides it.
        """
        ends = dict.fromkeys((end, k.codec) for k in links for end in (k.sender, k.receiver))
        for end, codec in ends:
            # A controller at an end needs all codecs anyway, and reports itself which it lacks.
            has = self.workers[end].info.codecs if end in self.workers else available_codecs()
            lack = lack_of(parse_codec(codec), has)
            if lack:
                raise DeviceError(end, lack)

    @property
    def infos(self) -> list[DeviceInfo]:
        """What each worker said of itself when it was claimed last."""
        return [worker.info for worker in self.workers.values()]

    def recover(self) -> list[DeviceError]:
        """Claim every worker again after a failure; give up and return those that do not answer.

        The pool opens new connections, since after a failure the old ones may still carry messages.
        """
        names = list(self.workers)
        self.close()
        return self._claim_all(names)

    def close(self) -> None:
        """Release all workers."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()

    def _claim_all(self, names: Sequence[str]) -> list[DeviceError]:
        """Claim the workers that answer at once, then wait for the others; return the missing ones' errors.

        This order, because a device clears its link soon after its release. The pool waits for a worker that
        another controller holds before it claims the next one: otherwise two controllers that need the same
        workers could hold a part each.
        """
        deadline_s = time.monotonic() + self._wait_s
        missing: list[DeviceError] = []
        late: dict[str, DeviceError] = {}
        for name in names:
            error = self._claim(name, 0.0)
            if error is not None and error.cause == HELD:
                error = self._claim(name, max(0.0, deadline_s - time.monotonic()))
            if error is not None and error.lasting:
                missing.append(error)
            elif error is not None:
                late[name] = error
        for name, error in late.items():
            left_s = deadline_s - time.monotonic()
            # An attempt at a host that does not answer takes seconds, so make none without time left.
            still = self._claim(name, left_s) if left_s > 0 else error
            if still is not None:
                missing.append(still)
        return missing

    def _claim(self, name: str, wait_s: float) -> DeviceError | None:
        try:
            worker = ClaimedWorker.claim(
                self._lab.device(name), self._lab.load_security(), self._holder, wait_s=wait_s
            )
        except DeviceError as error:
            return error
        try:
            self._check(worker)
        except DeviceError as error:
            worker.close()
            return error
        self.workers[name] = worker
        return None

    def _check(self, worker: ClaimedWorker) -> None:
        """Raise DeviceError: its link is wrong, or it is not the device that was claimed first."""
        if self._link_check is not None:
            self._link_check(worker)
        info = worker.info
        is_now = DeviceRow(info.name, info.kind, info.slowdown, info.stamp).made_of
        was = self._made_of.setdefault(worker.name, is_now)
        if was != is_now:
            then, now = (", ".join(words) for words in (was, is_now))
            raise DeviceError(
                worker.name,
                f"at the start it was {then}, but now it is {now}; set it back, or run the command again",
                lasting=True,
            )
        link = worker.info.stamp.get("qdisc")
        if self._links.setdefault(worker.name, link) != link:
            raise DeviceError(
                worker.name,
                "its link has changed since the start; shape it again (`edgecut sweep` does)",
                lasting=True,
            )
