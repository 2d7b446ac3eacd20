"""Baselines: the whole model alone on each device, taken before the cells, once each."""

import statistics
from collections.abc import Iterable, Sequence

from controller.errors import DeviceError
from controller.experiment.planted import planted_text, planted_time
from controller.pipeline.baseline import baseline_trial
from controller.results import BaselineTrial, Cell
from controller.sweep.context import SweepContext
from controller.sweep.todo import PendingBaseline

__all__ = ["take_baselines", "whole_model_s"]


def take_baselines(sweep: SweepContext, cells: Sequence[Cell]) -> None:
    """Take the missing baselines of these cells, until a stop is requested."""
    missing = sweep.pending.baselines(cells)
    if not missing:
        return
    requests = sweep.resolved.experiment.requests_at(min(cell.depth for cell in cells))
    for done, baseline in enumerate(missing):
        if sweep.interruption.requested:
            return
        sweep.screen.step("baselines", done, len(missing), f"the whole model on {baseline.device}")
        _take(sweep, baseline, requests)
    sweep.screen.step("baselines", len(missing), len(missing), "")


def _take(sweep: SweepContext, missing: PendingBaseline, requests: int) -> None:
    experiment = sweep.resolved.experiment
    for _ in range(sweep.failures.tries):
        if missing.device in sweep.failures.lost:
            return
        worker = sweep.pool.workers[missing.device]
        bundle = sweep.resolved.bundles[missing.bundle]
        planted = planted_text(experiment.planted)
        try:
            baseline = baseline_trial(
                worker,
                bundle,
                batch=missing.batch,
                number=missing.number,
                threads=experiment.threads_on(missing.device, worker.info.threads, missing.threads),
                requests=requests,
                warmup=experiment.warmup,
                planted=planted_time(planted, missing.device, 0, bundle.node_count, seed=experiment.seed),
            )
        except DeviceError as error:
            sweep.failures.failed(f"baseline of {missing.device}: {error}", error)
        else:
            sweep.recorder.add(baseline)
            return


def whole_model_s(baselines: Iterable[BaselineTrial]) -> dict[tuple[str, str], float]:
    """Seconds for one sample of a bundle (digest) on a device, by both names: medians over trials."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for b in baselines:
        seconds.setdefault((b.bundle, b.device), []).append(statistics.median(b.compute_s) / b.batch)
    return {key: statistics.median(values) for key, values in seconds.items()}
