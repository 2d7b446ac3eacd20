"""A file whose age says whether a controller still holds this worker.

Whoever shaped this device's link holds it on a lease: while the file is renewed the link stays, and once it
is not, a timer of root's clears it. The worker itself needs no privileges for that.
"""

import logging
import threading
from pathlib import Path
from typing import Final

from worker.wire.errors import UsageError

__all__ = ["Heartbeat"]

_INTERVAL_S: Final = 3.0

_log: Final = logging.getLogger("worker")


class Heartbeat:
    """Beats from `begin` to `end`, any number of times; without a file, never."""

    def __init__(self, file: Path | None) -> None:
        """Raises UsageError: the file cannot be written."""
        self._file = file
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if file is None:
            return
        try:
            file.touch()
            # One that a killed worker left behind holds nobody's lease.
            file.unlink()
        except OSError as error:
            raise UsageError(f"--heartbeat {file} cannot be written ({error.strerror})") from error

    def begin(self) -> None:
        """A controller has come: beat at once, and then every few seconds."""
        if self._file is None:
            return
        self._ended.clear()
        self._beat()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """It has gone: the file goes too."""
        if self._file is None or self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("heartbeat %s cannot be removed (%s)", self._file, error.strerror)

    def _go_on(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            self._beat()

    def _beat(self) -> None:
        assert self._file is not None
        try:
            self._file.touch()
        except OSError as error:
            # The lease ends then, and with it the trial: better than a link that nobody ends.
            _log.warning("heartbeat %s cannot be renewed (%s)", self._file, error.strerror)
