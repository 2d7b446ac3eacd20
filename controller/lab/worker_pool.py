"""All the workers that a sweep holds, and how it gets them back."""

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from controller.errors import HELD, DeviceError
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.results import Link
from worker.wire.codecs import available_codecs, lack_of, parse_codec

__all__ = ["WorkerPool", "holder_name"]

LinkCheck = Callable[[ClaimedWorker], None]


def holder_name() -> str:
    """Who we are, for whoever finds a worker held."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


class WorkerPool:
    """The claimed workers of a lab, by device name.

    Attributes:
        absent: Why devices are missing that were not there at the start.
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
        """Nothing is claimed before it is entered.

        Args:
            wait_s: How long to wait for those that are not there at once, all together.
            link_check: Asked of every worker that is claimed; raises DeviceError where its link is wrong.
            without_absent: Go on without devices that are not there, as long as one is.
        """
        self._lab = lab
        self._wait_s = wait_s
        # A chain may have several stages on one device, which is claimed once.
        self._names = tuple(dict.fromkeys(names))
        self._holder = holder_name()
        self._link_check = link_check
        self._without_absent = without_absent
        self._links: dict[str, object] = {}
        self.workers: dict[str, ClaimedWorker] = {}
        self.absent: list[DeviceError] = []

    def __enter__(self) -> Self:
        """Raises DeviceError: one is not there, or none is."""
        try:
            self.absent = self._claim_all(self._names)
            if self.absent and not (self._without_absent and self.workers):
                raise self.absent[0]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def require_codecs(self, links: Iterable[Link]) -> None:
        """See that both ends of every link have its codec; devices that are not there are passed over.

        Raises:
            DeviceError: A device has not; names it, the codec, and what would bring it.
        """
        ends = dict.fromkeys((end, k.codec) for k in links for end in (k.sender, k.receiver))
        for end, codec in ends:
            # A controller that is an end needs all codecs anyway, and says itself what it lacks.
            has = self.workers[end].info.codecs if end in self.workers else available_codecs()
            lack = lack_of(parse_codec(codec), has)
            if lack:
                raise DeviceError(end, lack)

    def recover(self) -> list[DeviceError]:
        """Claim every worker anew after a failure; those that stay away are returned and given up.

        Connections are not reused: after a failure nobody knows what is still under way on them.
        """
        names = list(self.workers)
        self.close()
        return self._claim_all(names)

    def close(self) -> None:
        """Let all workers go."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()

    def _claim_all(self, names: Sequence[str]) -> list[DeviceError]:
        """Claim those that are there at once, then wait for the others; returns why some are missing.

        In this order, because a device clears its link soon after it was let go. One that another controller
        has is waited for before the next is claimed: two that want the same would else have a part each.
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
            # An attempt at a host that does not answer takes seconds: with no time left, it has had its own.
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
        if self._link_check is not None:
            self._link_check(worker)
        link = worker.info.stamp.get("qdisc")
        if self._links.setdefault(worker.name, link) != link:
            raise DeviceError(
                worker.name,
                "its link is not what it was when this began; shape it again (ansible/sweep.yml does)",
                lasting=True,
            )
