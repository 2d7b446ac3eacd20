"""What the parts of a running sweep share."""

from dataclasses import dataclass

from controller.console import Progress
from controller.experiment.resolve import ResolvedExperiment
from controller.lab.worker_pool import WorkerPool
from controller.sweep.failure_policy import FailurePolicy
from controller.sweep.outcome import Stop
from controller.sweep.recorder import Recorder
from controller.sweep.todo import PendingWork

__all__ = ["SweepContext"]


@dataclass(frozen=True)
class SweepContext:
    """A sweep's plan, its workers and results, and its reactions to failures and signals."""

    resolved: ResolvedExperiment
    pool: WorkerPool
    pending: PendingWork
    recorder: Recorder
    failures: FailurePolicy
    screen: Progress
    interruption: Stop
