"""Accuracy of splits, and of splits under codecs: taken before their cells are run, once each."""

from collections.abc import Iterable, Sequence

from controller.pipeline.accuracy import accuracies, allowed_error, codec_accuracies
from controller.results import Cell, CodecAccuracy, coded_as
from controller.sweep.context import SweepContext

__all__ = ["AccuracyPass"]


class AccuracyPass:
    """Take the accuracies that a sweep does not have yet."""

    def __init__(self, sweep: SweepContext, of_codecs: Iterable[CodecAccuracy]) -> None:
        """`of_codecs`: the accuracies under codecs in the results file.

        Raises:
            ExperimentError: The experiment's samples are fewer than a model's fixed batch.
        """
        self._sweep = sweep
        self._samples = sweep.resolved.samples
        self._of_codecs = {coded_as(accuracy): accuracy for accuracy in of_codecs}

    def allowed_error(self, cell: Cell) -> float:
        """What a result of the cell may differ by from its answer, of the answer's own maximum."""
        return allowed_error(self._of_codecs.get(coded_as(cell)))

    def take(self, cells: Sequence[Cell]) -> None:
        """Take the missing ones of these cells, until a stop is requested."""
        sweep = self._sweep
        for digest, splits in sweep.pending.splits(cells).items():
            bundle = sweep.resolved.bundles[digest]
            each = accuracies(bundle, splits, self._samples)
            for done, accuracy in enumerate(each, start=1):
                sweep.recorder.add(accuracy)
                doing = f"{bundle.manifest.model} cut at {accuracy.cuts}"
                sweep.screen.step("accuracy", done, len(splits), doing)
                if sweep.interruption.requested:
                    return
        self.take_of_codecs(cells)

    def take_of_codecs(self, cells: Sequence[Cell]) -> None:
        """Take what is missing to tell whether results of these cells are right, after their codecs."""
        sweep = self._sweep
        for digest, coded in sweep.pending.codecs(cells).items():
            bundle = sweep.resolved.bundles[digest]
            each = codec_accuracies(bundle, coded, self._samples, sends_all=True)
            for done, accuracy in enumerate(each, start=1):
                sweep.recorder.add(accuracy)
                self._of_codecs[coded_as(accuracy)] = accuracy
                doing = f"{bundle.manifest.model} cut at {accuracy.cuts}, {accuracy.codec}"
                sweep.screen.step("accuracy of codecs", done, len(coded), doing)
                if sweep.interruption.requested:
                    return
