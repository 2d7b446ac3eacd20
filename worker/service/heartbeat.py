"""A file whose age shows whether a controller still holds this worker.

A shaped link is on a lease: it stays while the worker renews the file, and once the renewals stop, a timer of
root's clears it. The worker itself needs no privileges for that.
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
    """Renew the file from `begin` to `end`, any number of times; without a file, never."""

    def __init__(self, file: Path | None) -> None:
        """Raises UsageError: the file cannot be written."""
        self._file = file
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if file is None:
            return
        try:
            file.touch()
            # A killed worker may have left one behind, which must not hold a lease.
            file.unlink()
        except OSError as error:
            raise UsageError(f"--heartbeat {file} cannot be written ({error.strerror})") from error

    def begin(self) -> None:
        """Renew the file now, and then every few seconds: a controller has come."""
        if self._file is None:
            return
        self._ended.clear()
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Remove the file: the controller has gone."""
        if self._file is None or self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("heartbeat %s cannot be removed (%s)", self._file, error.strerror)

    def _keep_beating(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            self._beat()

    def _beat(self) -> None:
        assert self._file is not None
        try:
            self._file.touch()
        except OSError as error:
            # Then the lease ends, and with it the trial: better than a link that stays shaped for ever.
            _log.warning("heartbeat %s cannot be renewed (%s)", self._file, error.strerror)
