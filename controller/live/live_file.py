"""The live file beside a results file: a sweep's current state, for its viewers.

The sweep replaces this small file at each step, never reads it back, and continues if it cannot write it.
Measurements are in the results file alone.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import psutil
from msgspec import Meta

from controller.atomic_file import replace_file
from controller.results.provenance import now

__all__ = ["LiveFile", "Now", "live_path", "note_sweep", "read_now", "swept_on"]

_FORMAT = "edgecut-live/1"
_SAME_START_S = 1.0

_Count = Annotated[int, Meta(ge=0, lt=1 << 53)]


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep's current state.

    Attributes:
        began_s: Its process's start by the host's clock, since process ids are reused.
        part: The network, or the step before all networks.
        done: Finished ones of the part's `total` cells or other items.
        left_s: Estimated seconds left for the whole sweep, when this was written.
        cell: The running cell's id.
        number: Its trial's number, from 0.
        ended: The sweep's end, in one line; None while it runs.
    """

    format: str = _FORMAT
    host: str
    pid: Annotated[int, Meta(ge=1, lt=1 << 31)]
    began_s: float
    written_at: str
    part: str = ""
    doing: str = ""
    done: _Count = 0
    total: _Count = 0
    left_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    cell: str | None = None
    number: _Count = 0
    ended: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether its process runs on this host."""
        return self.host == socket.gethostname()

    @property
    def has_died(self) -> bool:
        """Whether its process died without publishing an end; False on another host."""
        if self.ended is not None or not self.is_here:
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began_s) > _SAME_START_S
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


class LiveFile:
    """Written by a sweep."""

    def __init__(self, results: Path) -> None:
        """Nothing is written before the first `tell`."""
        self._path = live_path(results)
        self.now = Now(
            host=socket.gethostname(),
            pid=os.getpid(),
            began_s=psutil.Process().create_time(),
            written_at=now(),
        )

    def tell(self, **changed: object) -> None:
        """Rewrite the file with these attributes changed."""
        self.now = msgspec.structs.replace(self.now, written_at=now(), **changed)
        # A sweep runs without viewers, too.
        with suppress(OSError):
            replace_file(self._path, msgspec.json.encode(self.now))


def live_path(results: Path) -> Path:
    """The path of a results file's live file."""
    return results.parent / f"{results.stem}.live.json"


def read_now(results: Path) -> Now | None:
    """Read the live file; None if it is missing or unreadable."""
    try:
        state = msgspec.json.decode(live_path(results).read_bytes(), type=Now)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return state if state.format == _FORMAT else None


def note_sweep(lab_file: Path, results: Path) -> None:
    """Note beside a lab file the results file of its current sweep."""
    with suppress(OSError):
        replace_file(_note_path(lab_file), msgspec.json.encode({"results": str(results.absolute())}))


def swept_on(lab_file: Path) -> Path | None:
    """The results file of a lab's last sweep."""
    try:
        return Path(msgspec.json.decode(_note_path(lab_file).read_bytes(), type=dict[str, str])["results"])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None


def _note_path(lab_file: Path) -> Path:
    return lab_file.parent / f"{lab_file.stem}.sweep.json"
