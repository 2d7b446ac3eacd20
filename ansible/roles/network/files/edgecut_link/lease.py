"""The lease: the notes on a shaped interface, and the end of its time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecut_link.errors import LinkError

__all__ = ["Folder", "State", "beat_of", "has_ended", "uptime_s"]

State = dict[str, Any]


def uptime_s() -> float:
    """Seconds since boot, sleep included; unlike the time of day it cannot be set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def beat_of(heartbeat: str) -> int | None:
    """A value that changes with each beat; compared for equality, never as a time."""
    try:
        return Path(heartbeat).lstat().st_mtime_ns
    except OSError:
        return None


def has_ended(state: State, now_s: float) -> bool:
    """Whether the lease has ended, or might before the next look; updates `state`.

    A beat since the last look counts as old as that look, so that a link never outlives its lease.
    """
    beat = beat_of(state["heartbeat"])
    if beat is not None and beat != state["beat"]:
        state["beat"], state["beat_at_s"] = beat, state["looked_at_s"]
    until_next_look_s = now_s - state["looked_at_s"]
    state["looked_at_s"] = now_s
    return bool(now_s + until_next_look_s - state["beat_at_s"] >= state["lease_s"])


class Folder:
    """One JSON file for each shaped interface; like the shaping, a reboot removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock. Raises LinkError: this user may not."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            lock = (self._path / "lock").open("w")
        except OSError as error:
            raise LinkError(f"{self._path} cannot be written ({error.strerror}): are you root?") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self, interface: str) -> State | None:
        """The note on an interface, if any. Raises LinkError: it cannot be read."""
        try:
            state: State = json.loads((self._path / f"{interface}.json").read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LinkError(
                f"{self._path / interface}.json cannot be read ({error}): clear the link"
            ) from error
        return state

    def write(self, interface: str, state: State) -> None:
        """Replace the note atomically."""
        partial = self._path / f".{interface}.partial"
        partial.write_text(json.dumps(state))
        partial.replace(self._path / f"{interface}.json")

    def remove(self, interface: str) -> None:
        """Remove the note."""
        (self._path / f"{interface}.json").unlink(missing_ok=True)

    def noted(self) -> list[str]:
        """The interfaces with a note."""
        return [path.stem for path in self._path.glob("*.json")]
