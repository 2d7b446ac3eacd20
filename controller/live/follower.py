"""Follow another process's sweep through its results file and live file."""

import sqlite3
import time
from pathlib import Path

from controller.errors import StoreError
from controller.live.live_file import read_now
from controller.live.snapshot import SweepSnapshot
from controller.results import Results

__all__ = ["Follower"]

_UNFINISHED_S = 2.0
"""A file that its writer is still creating looks like no results file for this long."""


class Follower:
    """A reader of one results file, which need not exist yet.

    Attributes:
        snapshot: The sweep's known state; None before it has one.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self.snapshot: SweepSnapshot | None = None
        self._last_trial: int | None = None
        self._is_whole = False
        self._written_at = ""
        self._seen_s = 0.0
        self._refused_s: float | None = None

    def look(self) -> None:
        """Read what is new.

        Raises:
            StoreError: The file is not a results file.
        """
        now = read_now(self.results)
        try:
            self._read()
        except sqlite3.OperationalError:
            # Its writer is moving it or cleaning up; try again at the next look.
            pass
        except StoreError:
            self._refused_s = self._refused_s or time.monotonic()
            if time.monotonic() - self._refused_s > _UNFINISHED_S:
                raise
        else:
            self._refused_s = None
        if now is not None and self.snapshot is None:
            self.snapshot = SweepSnapshot()
        if self.snapshot is not None:
            if now is not None and now.written_at != self._written_at:
                self._written_at, self._seen_s = now.written_at, time.monotonic()
            self.snapshot.now = now

    @property
    def left_s(self) -> float | None:
        """Seconds left: the published estimate, less the time since."""
        now = self.snapshot.now if self.snapshot else None
        if now is None or now.left_s is None:
            return None
        return max(0.0, now.left_s - (time.monotonic() - self._seen_s))

    def _read(self) -> None:
        if not self.results.is_file() or not self.results.stat().st_size:
            return
        # Opened again each time: an ending writer cannot clean up while a reader has the file open.
        # To look up whether it is whole takes long, once.
        opened = Results.reopen if self._is_whole else Results.open
        with opened(self.results) as results:
            self._is_whole = True
            if self.snapshot is None or not self.snapshot.experiment:
                self.snapshot = SweepSnapshot(results.experiment()["name"])
            self.snapshot.wanted = results.trials_wanted()
            # A planned search adds cells as it goes on.
            if results.cell_count() != len(self.snapshot.cells):
                self.snapshot.want(results.cells())
            for trial in results.trials(after=self._last_trial):
                self.snapshot.finished(self.snapshot.cells[trial.cell], trial)
                self._last_trial = trial.id
            self.snapshot.left_out |= results.left_out

    @property
    def is_over(self) -> bool:
        """Whether the sweep has ended and no trial is pending."""
        snapshot = self.snapshot
        if snapshot is None or not snapshot.finished_trials():
            return False
        if snapshot.missing() or not snapshot.is_settled:
            return False
        return snapshot.now is None or snapshot.now.ended is not None
