"""Accuracy of splits, and of splits under codecs: taken before their cells are run, once each."""

from collections.abc import Iterable, Sequence

from controller.console import Screen
from controller.experiment.resolve import ResolvedExperiment
from controller.pipeline.accuracy import accuracies, allowed_error, codec_accuracies
from controller.results import Cell, CodecAccuracy, coded_as
from controller.sweep.outcome import Interruption
from controller.sweep.recorder import Recorder
from controller.sweep.todo import PendingWork

__all__ = ["AccuracyPass"]


class AccuracyPass:
    """Take the accuracies that a sweep does not have yet."""

    def __init__(
        self,
        resolved: ResolvedExperiment,
        pending: PendingWork,
        recorder: Recorder,
        of_codecs: Iterable[CodecAccuracy],
        screen: Screen,
        interruption: Interruption,
    ) -> None:
        """Take in the accuracies under codecs that are in the results file."""
        self._resolved = resolved
        self._pending = pending
        self._recorder = recorder
        self._of_codecs = {coded_as(accuracy): accuracy for accuracy in of_codecs}
        self._screen = screen
        self._interruption = interruption

    def allowed_error(self, cell: Cell) -> float:
        """What a result of the cell may differ by from its answer, of the answer's own maximum."""
        return allowed_error(self._of_codecs.get(coded_as(cell)))

    def take(self, cells: Sequence[Cell]) -> None:
        """Take those of these cells that are missing, until a stop is asked for."""
        for digest, splits in self._pending.splits(cells).items():
            bundle = self._resolved.bundles[digest]
            found = accuracies(bundle, splits, self._resolved.experiment.samples)
            for done, accuracy in enumerate(found, start=1):
                self._recorder.add_accuracy(accuracy)
                self._screen.step(
                    "accuracy", done, len(splits), f"{bundle.manifest.model} cut at {accuracy.cuts}"
                )
                if self._interruption.requested:
                    return
        self.take_of_codecs(cells)

    def take_of_codecs(self, cells: Sequence[Cell]) -> None:
        """Take what is missing to tell whether results of these cells are right, after their codecs."""
        for digest, coded in self._pending.codecs(cells).items():
            self._take_of_codecs(digest, coded)

    def _take_of_codecs(self, digest: str, coded: Sequence[Cell]) -> None:
        bundle = self._resolved.bundles[digest]
        # Over all samples: each may be sent, and its result is held against this.
        found = codec_accuracies(bundle, coded, None)
        for done, accuracy in enumerate(found, start=1):
            self._recorder.add_codec_accuracy(accuracy)
            self._of_codecs[coded_as(accuracy)] = accuracy
            doing = f"{bundle.manifest.model} cut at {accuracy.cuts}, {accuracy.codec}"
            self._screen.step("accuracy of codecs", done, len(coded), doing)
            if self._interruption.requested:
                return
