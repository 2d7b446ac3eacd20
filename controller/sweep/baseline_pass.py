"""Baselines: the whole model alone on each device, taken before the cells, once each."""

import statistics
from collections.abc import Iterable, Sequence

from controller.console import Screen
from controller.errors import DeviceError
from controller.experiment.resolve import ResolvedExperiment
from controller.lab.worker_pool import WorkerPool
from controller.pipeline.baseline import baseline_trial
from controller.results import BaselineTrial, Cell
from controller.sweep.failure_policy import FailurePolicy
from controller.sweep.outcome import Interruption
from controller.sweep.recorder import Recorder
from controller.sweep.todo import PendingBaseline, PendingWork

__all__ = ["BaselinePass", "whole_model_s"]


class BaselinePass:
    """Takes the baselines that are not in the results file."""

    def __init__(
        self,
        resolved: ResolvedExperiment,
        pool: WorkerPool,
        pending: PendingWork,
        recorder: Recorder,
        failures: FailurePolicy,
        screen: Screen,
        interruption: Interruption,
    ) -> None:
        self._resolved = resolved
        self._pool = pool
        self._pending = pending
        self._recorder = recorder
        self._failures = failures
        self._screen = screen
        self._interruption = interruption

    def take(self, cells: Sequence[Cell]) -> None:
        """Take what these cells are to be compared with, until a stop is asked for."""
        missing = self._pending.baselines(cells)
        if not missing:
            return
        requests = self._resolved.experiment.requests_at(min(cell.depth for cell in cells))
        for done, baseline in enumerate(missing):
            if self._interruption.asked:
                return
            self._screen.step("baselines", done, len(missing), f"the whole model on {baseline.device}")
            self._take(baseline, requests)
        self._screen.step("baselines", len(missing), len(missing), "")

    def _take(self, wanted: PendingBaseline, requests: int) -> None:
        experiment = self._resolved.experiment
        for _ in range(self._failures.tries):
            if wanted.device in self._failures.lost:
                return
            worker = self._pool.workers[wanted.device]
            try:
                baseline = baseline_trial(
                    worker,
                    self._resolved.bundles[wanted.bundle],
                    batch=wanted.batch,
                    number=wanted.number,
                    threads=experiment.threads_on(wanted.device, worker.info.threads, wanted.threads),
                    requests=requests,
                    warmup=experiment.warmup,
                )
            except DeviceError as error:
                self._failures.failed(f"baseline of {wanted.device}: {error}", error)
            else:
                self._recorder.add_baseline(baseline)
                return


def whole_model_s(baselines: Iterable[BaselineTrial]) -> dict[tuple[str, str], float]:
    """Seconds for one sample of a bundle (digest) on a device, by both names: medians over trials."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for b in baselines:
        seconds.setdefault((b.bundle, b.device), []).append(statistics.median(b.compute_s) / b.batch)
    return {key: statistics.median(values) for key, values in seconds.items()}
