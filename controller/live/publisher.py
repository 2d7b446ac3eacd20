"""Publish a sweep's state on its own terminal and in the live file."""

from typing import Self

from rich.console import RenderableType

from controller.live.live_file import LiveFile
from controller.live.snapshot import SweepSnapshot
from controller.live.view import panel
from controller.results import Cell, Results, Trial

__all__ = ["Publisher"]


class Publisher:
    """The panel of a sweep's `Screen`. Enter it for the sweep's duration; on exit it publishes the end."""

    def __init__(self, results: Results, *, is_shown: bool) -> None:
        """Read the existing results.

        Args:
            is_shown: Whether to show a panel; without a terminal only the live file is written.
        """
        self._file = LiveFile(results.path)
        self._snapshot: SweepSnapshot | None = None
        if is_shown:
            experiment = results.experiment()
            self._snapshot = SweepSnapshot(experiment["name"], results.trials_wanted())
            self._snapshot.want(results.cells())
            for trial in results.trials():
                self._snapshot.finished(self._snapshot.cells[trial.cell], trial)

    def __enter__(self) -> Self:
        self._file.tell(doing="beginning")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.end("interrupted; finished trials are saved; run the same command to resume")
        elif error is not None or self._file.now.ended is None:
            self.end(" ".join(str(error or "").split()) or "by an error")

    def end(self, how: str) -> None:
        """Publish the sweep's end, in one line."""
        self._file.tell(ended=how, cell=None)

    def step(self, part: str, done: int, total: int, doing: str, left_s: float | None) -> None:
        """Publish the sweep's progress; `running` publishes its cell."""
        self._file.tell(part=part, done=done, total=total, doing=doing, left_s=left_s, cell=None)

    def running(self, cell: Cell, number: int) -> None:
        """Publish the start of a cell's trial `number`."""
        if self._snapshot is not None:
            self._snapshot.want([cell])
        self._file.tell(cell=cell.id, number=number)

    def finished(self, cell: Cell, trial: Trial) -> None:
        """Add a finished trial."""
        if self._snapshot is not None:
            self._snapshot.finished(cell, trial)

    def __rich__(self) -> RenderableType:
        if self._snapshot is None:
            return ""
        self._snapshot.now = self._file.now
        return panel(self._snapshot, self._file.now.left_s)
