"""`batch_metrics.csv`: a row a batch, which is one request."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.data.trial_metrics import rows_of_requests
from analysis.exports.trial import KEYS, Exported

__all__ = ["BATCH_COLUMNS", "batch_rows"]

_SUMS = ("wait_compute_s", "decode_s", "compute_s", "encode_s")
_OWN = ("wait_source_s", "prepare_s")
BATCH_COLUMNS = (
    *KEYS,
    *("request", "scheduled_at_s", "finished_at_s", "latency_s", "latency_per_image_s", "interval_s"),
    *(*_OWN, *_SUMS, "network_s", "communication_share", "stage_compute_s"),
)


def batch_rows(exported: Exported) -> list[dict[str, Any]]:
    """Rows in the order of requests; times are seconds on the source's clock."""
    endpoint = np.sort(exported.trial.endpoint, order="request")
    hops = [
        np.sort(rows_of_requests(exported.trial, rows), order="request") for rows in exported.trial.records
    ]
    latency_s = endpoint["latency_s"]
    own = {name: _field(endpoint, name) for name in _OWN}
    sums = {name: np.sum([hop[name] for hop in hops], axis=0) for name in _SUMS}
    at_ends_s = own["wait_source_s"] + _field(endpoint, "encode_s") + _field(endpoint, "decode_s")
    network_s = latency_s - at_ends_s - sum(sums.values())
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
            "network_s": float(network_s[i]),
            "communication_share": float(network_s[i] / row["latency_s"]),
            "stage_compute_s": ";".join(f"{float(hop['compute_s'][i]):.6g}" for hop in hops),
        }
        | {name: float(values[i]) for name, values in (own | sums).items()}
        for i, row in enumerate(endpoint)
    ]


def _field(endpoint: NDArray[np.void], name: str) -> NDArray[Any]:
    """A field of the endpoint's rows; zeros in files from before it was recorded."""
    return endpoint[name] if name in (endpoint.dtype.names or ()) else np.zeros(len(endpoint))
