"""The live file beside a results file: what a sweep is at, for whoever watches it.

Small, replaced whole at each step, never read back by the sweep; a sweep goes on where it cannot be written.
What has been measured is not in it: that is in the results file.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from controller.atomic_file import replace_file
from controller.results.provenance import now

__all__ = ["LiveFile", "Now", "live_path", "note_sweep", "read_now", "swept_on"]

_FORMAT = "edgecut-live/1"
_SAME_START_S = 1.0


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep is at.

    Attributes:
        began_s: When its process began, by the host's clock: numbers of processes are used again.
        part: The network, or what comes before all of them.
        done: How many of `total` cells (or other things that `part` has) are there.
        left_s: Estimated seconds for all that is left, when this was written.
        cell: Id of the cell that runs.
        number: Of its trial, from 0.
        ended: How it ended, in a line; None while it goes on.
    """

    format: str = _FORMAT
    host: str
    pid: int
    began_s: float
    written_at: str
    part: str = ""
    doing: str = ""
    done: int = 0
    total: int = 0
    left_s: float | None = None
    cell: str | None = None
    number: int = 0
    ended: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether its process was one of this host."""
        return self.host == socket.gethostname()

    @property
    def has_died(self) -> bool:
        """Whether it ended without a word; False where nobody can tell."""
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
        """Replace the file by one with these attributes changed."""
        self.now = msgspec.structs.replace(self.now, written_at=now(), **changed)
        # Nobody has to be able to watch.
        with suppress(OSError):
            replace_file(self._path, msgspec.json.encode(self.now))


def live_path(results: Path) -> Path:
    """Where the live file of a results file lies."""
    return results.parent / f"{results.stem}.live.json"


def read_now(results: Path) -> Now | None:
    """What the live file says; None where there is none that can be read."""
    try:
        found = msgspec.json.decode(live_path(results).read_bytes(), type=Now)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.format == _FORMAT else None


def note_sweep(lab_file: Path, results: Path) -> None:
    """Keep beside a lab file which results file is swept into."""
    with suppress(OSError):
        replace_file(_note_path(lab_file), msgspec.json.encode({"results": str(results.absolute())}))


def swept_on(lab_file: Path) -> Path | None:
    """The results file that was last swept into on a lab."""
    try:
        return Path(msgspec.json.decode(_note_path(lab_file).read_bytes(), type=dict[str, str])["results"])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None


def _note_path(lab_file: Path) -> Path:
    return lab_file.parent / f"{lab_file.stem}.sweep.json"
