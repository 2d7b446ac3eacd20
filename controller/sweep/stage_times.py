"""Stages timed alone for all cells that have them: once a block, or once in a sweep that fixes their time."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from controller.errors import TrialUnsound, TrialVoid
from controller.pipeline.runner import PipelineRunner
from controller.results import Cell, Hop, TimeAlone, Trial
from controller.results.metrics import busy_share
from controller.results.provenance import now
from controller.sweep.recorder import Recorder

__all__ = ["StageTimes"]

_FITS: Final = 1.02
"""A stage that is busy for a larger share of a trial was not timed as it ran."""


class StageTimes:
    """Gives each trial its stages' times alone, taken after the block's first trial with the stage.

    A stage whose time `slowdown` fixes takes as long in every block. After a change of its device a stage is
    timed again.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def complete(self, cell: Cell, trial: Trial, pipeline: PipelineRunner) -> tuple[Trial, str | None]:
        """The trial with its stages' times alone; None where one does not fit even when taken again.

        A device that fails meanwhile leaves the times out: the trial itself has ended well, and a later block
        times these stages again.

        Returns:
            The trial, and what failed.

        Raises:
            TrialUnsound: A device answered with a time that cannot be.
        """
        stages = [TimeAlone(cell.network, trial.number, *_identity(cell, hop), 0.0, "") for hop in trial.hops]
        alone_s = [
            self._known_s(stage, is_fixed=pipeline.has_fixed_time(i)) for i, stage in enumerate(stages)
        ]
        failure: str | None = None
        try:
            self._take([i for i, seconds in enumerate(alone_s) if seconds is None], stages, alone_s, pipeline)
            self._take(_misfits(trial, alone_s), stages, alone_s, pipeline)
        except _Failed as failed:
            failure = str(failed)
        misfits = _misfits(trial, alone_s)
        fitting = [None if i in misfits else seconds for i, seconds in enumerate(alone_s)]
        return _with(trial, fitting, failure), failure

    def _known_s(self, stage: TimeAlone, *, is_fixed: bool) -> float | None:
        """What was measured last of a stage; of one whose time is fixed in any block."""
        identity = asdict(stage)
        del identity["compute_s"], identity["taken_at"]
        if is_fixed:
            del identity["network"], identity["block"]
        alike = self._recorder.environments.alike(stage.device)
        taken = self._recorder.store.taken(TimeAlone, **identity)
        return next((row.compute_s for environment, row in reversed(taken) if environment in alike), None)

    def _take(
        self,
        positions: Sequence[int],
        stages: Sequence[TimeAlone],
        alone_s: list[float | None],
        pipeline: PipelineRunner,
    ) -> None:
        """Time stages, one after the other; each is committed as it ends.

        Raises:
            _Failed: A device was lost, or cannot time a stage.
        """
        for position in positions:
            stage = stages[position]
            try:
                seconds = pipeline.time_alone([position])[position]
            except TrialUnsound:
                raise
            except TrialVoid as void:
                device = void.device or stage.device
                why = str(void).removeprefix(f"{device}: ")
                what = f"{device} failed while stage {stage.start}-{stage.stop} was timed"
                raise _Failed(f"{what}: {why}") from void
            alone_s[position] = seconds
            self._recorder.add_time_alone(replace(stage, compute_s=seconds, taken_at=now()))


class _Failed(Exception):
    """No stage can be timed any more."""


def _identity(cell: Cell, hop: Hop) -> tuple[str, str, int, int, int, int]:
    return cell.bundle, hop.device, hop.start, hop.stop, cell.batch, hop.threads


def _misfits(trial: Trial, alone_s: Sequence[float | None]) -> list[int]:
    timed = _with(trial, alone_s)
    return [i for i in range(len(alone_s)) if (busy_share(timed, i) or 0.0) > _FITS]


def _with(trial: Trial, alone_s: Sequence[float | None], failure: str | None = None) -> Trial:
    hops = (
        replace(hop, alone_s=seconds, alone_missing=failure if seconds is None else None)
        for hop, seconds in zip(trial.hops, alone_s, strict=True)
    )
    return replace(trial, hops=tuple(hops))
