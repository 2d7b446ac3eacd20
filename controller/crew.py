"""All the workers that a sweep holds, and how it gets them back."""

import getpass
import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from controller.device import ClaimedWorker
from controller.errors import DeviceError
from controller.lab import Lab

__all__ = ["Crew", "holder_name"]


def holder_name() -> str:
    """Who we are, for whoever finds a worker held."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


class Crew:
    """The claimed workers of a lab, by device name."""

    def __init__(self, lab: Lab, names: Sequence[str], wait_s: float) -> None:
        self._lab = lab
        self._wait_s = wait_s
        self._names = names
        self._holder = holder_name()
        self._links: dict[str, object] = {}
        self.workers: dict[str, ClaimedWorker] = {}

    def __enter__(self) -> Self:
        try:
            for name in self._names:
                self._claim(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self, name: str) -> None:
        worker = ClaimedWorker.claim(self._lab.device(name), self._holder, wait_s=self._wait_s)
        link = worker.info.stamp.get("qdisc")
        if self._links.setdefault(name, link) != link:
            worker.close()
            raise DeviceError(
                name, "its link is not what it was when this began; shape it again (ansible/sweep.yml does)"
            )
        self.workers[name] = worker

    def recover(self) -> list[DeviceError]:
        """Claim every worker anew after a failure; those that stay away are returned and given up.

        Connections are not reused: after a failure nobody knows what is still under way on them.
        """
        names = list(self.workers)
        self.close()
        lost = []
        for name in names:
            try:
                self._claim(name)
            except DeviceError as error:
                lost.append(error)
        return lost

    def close(self) -> None:
        """Let all workers go."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()
