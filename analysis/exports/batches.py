"""`batch_metrics.csv`: a row a batch, which is one request."""

from typing import Any

import numpy as np

from analysis.data.trial_metrics import rows_of_requests
from analysis.exports.trial import KEYS, Exported
from controller.results.metrics import IN_HOP, network_s

__all__ = ["BATCH_COLUMNS", "batch_rows"]

_OWN = ("wait_source_s", "prepare_s")
BATCH_COLUMNS = (
    *KEYS,
    *("request", "scheduled_at_s", "finished_at_s", "latency_s", "latency_per_image_s", "interval_s"),
    *(*_OWN, *IN_HOP, "network_s", "communication_share", "stage_compute_s"),
)


def batch_rows(exported: Exported) -> list[dict[str, Any]]:
    """Rows in the order of requests; times are seconds on the source's clock."""
    endpoint = np.sort(exported.trial.endpoint, order="request")
    hops = [
        np.sort(rows_of_requests(exported.trial, rows), order="request") for rows in exported.trial.records
    ]
    parts = {name: endpoint[name] for name in _OWN}
    parts |= {name: np.sum([hop[name] for hop in hops], axis=0) for name in IN_HOP}
    on_network_s = network_s(endpoint, hops)
    between_s = np.diff(endpoint["finished_at_s"]).tolist()
    keys = exported.keys()
    return [
        keys
        | {
            "request": int(row["request"]),
            "scheduled_at_s": float(row["scheduled_at_s"]),
            "finished_at_s": float(row["finished_at_s"]),
            "latency_s": float(row["latency_s"]),
            "latency_per_image_s": float(row["latency_s"]) / exported.result.cell.batch,
            "interval_s": between_s[i - 1] if i else None,
            "network_s": float(on_network_s[i]),
            "communication_share": float(on_network_s[i] / row["latency_s"]),
            "stage_compute_s": ";".join(f"{float(hop['compute_s'][i]):.6g}" for hop in hops),
        }
        | {name: float(values[i]) for name, values in parts.items()}
        for i, row in enumerate(endpoint)
    ]
