"""Baselines: the whole model alone on each device, in every block."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.errors import DeviceError, InvalidReply
from controller.experiment.planted import planted_text, planted_time
from controller.pipeline.baseline import baseline_trial
from controller.results import BaselineTrial, Block, FullSpeed
from controller.sweep.context import SweepContext
from controller.sweep.failure_policy import TRIES
from controller.sweep.todo import BaselineKey

__all__ = ["BaselineRunner", "whole_model_s"]


@dataclass(frozen=True)
class BaselineRunner:
    """Takes baselines, each committed as it ends."""

    sweep: SweepContext
    requests: int
    _failures: Counter[BaselineKey] = field(default_factory=Counter)

    def is_given_up(self, key: BaselineKey) -> bool:
        """Whether it is left out of this call: its device is lost, or it failed too often."""
        return key.device in self.sweep.failures.lost or self._failures[key] >= TRIES

    def run(self, key: BaselineKey, block: Block) -> None:
        """Take a baseline, as often as the experiment lets a failed one be tried."""
        for _ in range(self.sweep.failures.tries):
            if self.is_given_up(key):
                return
            try:
                baseline, full_speed = self._taken(key, block)
            except DeviceError as error:
                self._failures[key] += 1
                self.sweep.failures.failed(f"baseline of {key.device}: {error}", error)
                if isinstance(error, InvalidReply):
                    return
            else:
                self.sweep.recorder.add_full_speeds([full_speed] if full_speed else [])
                self.sweep.recorder.add(baseline)
                return

    def _taken(self, key: BaselineKey, block: Block) -> tuple[BaselineTrial, FullSpeed | None]:
        experiment, worker = self.sweep.resolved.experiment, self.sweep.pool.workers[key.device]
        bundle, planted = self.sweep.resolved.bundles[key.bundle], planted_text(experiment.planted)
        return baseline_trial(
            worker,
            bundle,
            network=key.network,
            batch=key.batch,
            number=block.number,
            threads=experiment.threads_on(key.device, worker.info.threads, key.threads),
            requests=self.requests,
            warmup=experiment.warmup,
            planted=planted_time(planted, key.device, 0, bundle.node_count, seed=experiment.seed),
            full_speeds=self.sweep.recorder.store.rows(FullSpeed),
        )


def whole_model_s(baselines: Iterable[BaselineTrial]) -> dict[tuple[str, str], float]:
    """Seconds for one sample of a bundle (digest) on a device, by both names: medians over trials."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for b in baselines:
        seconds.setdefault((b.bundle, b.device), []).append(statistics.median(b.compute_s) / b.batch)
    return {key: statistics.median(values) for key, values in seconds.items()}
