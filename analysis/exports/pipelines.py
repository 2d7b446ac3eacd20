"""`pipeline_metrics.csv`: a row a trial."""

from typing import Any

import numpy as np

from analysis.data.trial_metrics import QUANTILES, encoded_bytes
from analysis.exports.trial import KEYS, Exported

__all__ = ["PIPELINE_COLUMNS", "pipeline_rows"]

PIPELINE_COLUMNS = (
    *KEYS,
    *("requests", "images", "elapsed_s", "images_per_s", "inter_batch_images_per_s"),
    *("time_per_batch_s", "time_per_image_s", "latency_mean_s", *(f"latency_{name}_s" for name in QUANTILES)),
    *("stage_images_per_s", "stage_limit_images_per_s", "busy", "bubble", "bottleneck"),
    *("network_s", "communication_overhead", "source_s", "payload_bytes", "link_payload_bytes"),
    *("link_encoded_bytes", "rate_per_s", "stable", "overloaded", "worst_error"),
)


def pipeline_rows(exported: Exported) -> list[dict[str, Any]]:
    """The one row of a trial."""
    trial, figures, batch = exported.trial, exported.figures, exported.result.cell.batch
    images = figures.requests * batch
    finished_at_s = np.sort(trial.endpoint["finished_at_s"])
    results_s = float(finished_at_s[-1] - finished_at_s[0])
    return [
        exported.keys()
        | {
            "requests": figures.requests,
            "images": images,
            "elapsed_s": trial.elapsed_s,
            "images_per_s": figures.throughput_per_s,
            "inter_batch_images_per_s": (figures.requests - 1) * batch / results_s if results_s > 0 else None,
            "time_per_batch_s": trial.elapsed_s / figures.requests,
            "time_per_image_s": trial.elapsed_s / images,
            "latency_mean_s": figures.latency_mean_s,
            **{f"latency_{name}_s": value for name, value in figures.latency.items()},
            "stage_images_per_s": _listed(_rate(batch, hop.means["compute_s"]) for hop in figures.hops),
            "stage_limit_images_per_s": _listed(_rate(batch, hop.solo_compute_s) for hop in trial.hops),
            "busy": _listed(hop.busy for hop in figures.hops),
            "bubble": _listed(hop.bubble for hop in figures.hops),
            "bottleneck": figures.bottleneck,
            "network_s": figures.network_s,
            "communication_overhead": figures.network_share,
            "source_s": figures.source_s,
            "payload_bytes": figures.payload_bytes,
            "link_payload_bytes": _listed(link.payload_bytes for link in figures.links),
            "link_encoded_bytes": _listed(encoded_bytes(link) for link in figures.links),
            "rate_per_s": figures.course.rate_per_s,
            "stable": figures.course.stable,
            "overloaded": figures.course.overloaded,
            "worst_error": figures.worst_error,
        }
    ]


def _rate(batch: int, seconds: float) -> float:
    return batch / seconds if seconds > 0 else float("inf")


def _listed(values: Any) -> str:
    return ";".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
