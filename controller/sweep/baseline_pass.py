"""Baselines: the whole model alone on each device, taken before the cells, once each."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class BaselinePass:
    """Takes the baselines that are not in the results file."""

    resolved: ResolvedExperiment
    pool: WorkerPool
    pending: PendingWork
    recorder: Recorder
    failures: FailurePolicy
    screen: Screen
    interruption: Interruption

    def take(self, cells: Sequence[Cell]) -> None:
        """Take what these cells are to be compared with, until a stop is asked for."""
        missing = self.pending.baselines(cells)
        if not missing:
            return
        requests = self.resolved.experiment.requests_at(min(cell.depth for cell in cells))
        for done, baseline in enumerate(missing):
            if self.interruption.requested:
                return
            self.screen.step("baselines", done, len(missing), f"the whole model on {baseline.device}")
            self._take(baseline, requests)
        self.screen.step("baselines", len(missing), len(missing), "")

    def _take(self, wanted: PendingBaseline, requests: int) -> None:
        experiment = self.resolved.experiment
        for _ in range(self.failures.tries):
            if wanted.device in self.failures.lost:
                return
            worker = self.pool.workers[wanted.device]
            try:
                baseline = baseline_trial(
                    worker,
                    self.resolved.bundles[wanted.bundle],
                    batch=wanted.batch,
                    number=wanted.number,
                    threads=experiment.threads_on(wanted.device, worker.info.threads, wanted.threads),
                    requests=requests,
                    warmup=experiment.warmup,
                )
            except DeviceError as error:
                self.failures.failed(f"baseline of {wanted.device}: {error}", error)
            else:
                self.recorder.add_baseline(baseline)
                return


def whole_model_s(baselines: Iterable[BaselineTrial]) -> dict[tuple[str, str], float]:
    """Seconds for one sample of a bundle (digest) on a device, by both names: medians over trials."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for b in baselines:
        seconds.setdefault((b.bundle, b.device), []).append(statistics.median(b.compute_s) / b.batch)
    return {key: statistics.median(values) for key, values in seconds.items()}
