"""How long a link was in use in a part of a run, noted with each frame that it gets."""

from array import array
from typing import Final

import numpy as np

from worker.clock import clock
from worker.links.emulation import Passage
from worker.wire.messages import LinkAccount
from worker.wire.stream import Stream
from worker.wire.tcp_account import TcpAccount

__all__ = ["KernelAccount", "ScheduleAccount"]


class _Rows:
    """A row a frame, in the order of requests, until they are taken; request 0 begins a new run."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._values = array("d")

    def append(self, request: int, *row: float) -> None:
        if request == 0:
            del self._values[:]
        # Without all frames before it, a row would stand for another request.
        if len(self._values) == request * self._width:
            self._values.extend(row)

    def take(self, counted: tuple[int, int]) -> tuple[int, int, "tuple[array[float], ...]"] | None:
        """The frames at both ends of the requests that count, and all columns; None without two frames.

        From the first of them to the one after the last: so much came through the link in whole periods. A
        sequential run sends none after the last, which then ends it.
        """
        columns = tuple(self._values[column :: self._width] for column in range(self._width))
        del self._values[:]
        first, stop = counted[0], min(counted[1], len(columns[0]) - 1)
        return (first, stop, columns) if 0 <= first < stop else None


class KernelAccount:
    """The kernel's account of a link's connection, read before each frame."""

    def __init__(self, link: str) -> None:
        self._link: Final = link
        self._rows = _Rows(1 + len(TcpAccount._fields))

    def note(self, request: int, stream: Stream) -> None:
        """Read the account, where the kernel keeps one."""
        account = stream.tcp_account()
        if account is not None:
            self._rows.append(request, clock(), *account)

    def take(self, counted: tuple[int, int]) -> LinkAccount | None:
        """Hand over what it says of the requests that count, and forget it; None where that is too little."""
        if (ends := self._rows.take(counted)) is None:
            return None
        first, stop, columns = ends
        *sums, round_trip_s, is_queued = (np.frombuffer(column)[first : stop + 1] for column in columns)
        elapsed_s, busy_s, rwnd_limited_s, sndbuf_limited_s, carried_bytes = map(np.diff, sums)
        # What a frame finds in the queue was there since the frame before, unless the link fell idle.
        queued_s = (busy_s - rwnd_limited_s).clip(0.0) * is_queued[1:]
        return LinkAccount(
            link=self._link,
            by="kernel",
            frames=stop - first,
            elapsed_s=float(elapsed_s.sum()),
            busy_s=float(busy_s.sum()),
            rwnd_limited_s=float(rwnd_limited_s.sum()),
            sndbuf_limited_s=float(sndbuf_limited_s.sum()),
            queued_s=float(queued_s.sum()),
            carried_bytes=int(carried_bytes.sum()),
            round_trip_s=float(round_trip_s.min()),
        )


class ScheduleAccount:
    """The schedule of a link's frames on an emulated link, which other links may share."""

    def __init__(self, link: str) -> None:
        self._link: Final = link
        self._rows = _Rows(3)

    def note(self, request: int, ready_at_s: float, passage: Passage) -> None:
        """Note a frame's passage."""
        self._rows.append(request, ready_at_s, passage.start_s, passage.departure_s)

    def take(self, counted: tuple[int, int]) -> LinkAccount | None:
        """Hand over how long frames of this link occupied it among the requests that count, and forget it.

        None with too few.
        """
        if (ends := self._rows.take(counted)) is None:
            return None
        first, stop, columns = ends
        ready_at_s, start_s, departure_s = (np.frombuffer(column) for column in columns)
        used_s = np.cumsum(departure_s - start_s)
        # It rises from each frame's start to its departure, and stays in between.
        times_s = np.column_stack((start_s, departure_s)).ravel()
        used_s = np.column_stack((np.concatenate(([0.0], used_s[:-1])), used_s)).ravel()
        ends_s = ready_at_s[[first, stop]]
        began_s, ended_s = np.interp(ends_s, times_s, used_s)
        return LinkAccount(
            link=self._link,
            by="emulation",
            frames=stop - first,
            elapsed_s=float(ends_s[1] - ends_s[0]),
            busy_s=float(ended_s - began_s),
        )
