"""A row a node: what it computes, encodes and sends; with a dispatcher's row and totals, for 1 to N nodes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.figures.parts import breakdown
from analysis.figures.scaling import best_by_devices
from analysis.fronts import Point, capability
from analysis.measures import encoded_bytes
from analysis.results import CellResult, Sweep

__all__ = ["NODE_COLUMNS", "node_rows"]

NODE_COLUMNS = (
    *("model", "profile", "nodes", "where", "node", "payload_bytes", "codec_s", "inference_s"),
    *("communication_s", "total_s", "overhead", "codec_energy_j", "codec_pj_per_bit", "payload_bytes_per_s"),
    "cell",
)


def node_rows(sweep: Sweep, codec_pj_per_bit: float | None = None) -> list[dict[str, Any]]:
    """For each number of devices that compute: those of the split of most throughput, at depth 1, and totals.

    The dispatcher is the source and the sink; its payload is what is sent by no device that computes.
    Means over all requests of all trials, since means add up.

    Args:
        codec_pj_per_bit: What a codec takes for each bit that it is given, in picojoules: of a model, not
            measured. None: no energy.
    """
    rows = []
    for bundle, profile in sweep.groups():
        results = {r.cell.id: r for r in sweep.of(bundle, profile.name)}
        best = best_by_devices(capability(sweep, bundle, profile.name))
        for count, point in best.items():
            result = results[point.latency_cell.id]
            rows += _of_cell(result, point, count, codec_pj_per_bit)
    return rows


def _of_cell(result: CellResult, point: Point, count: int, pj_per_bit: float | None) -> list[dict[str, Any]]:
    found, cell = breakdown(result), result.cell
    key = {"model": cell.model, "profile": cell.profile, "nodes": count, "where": point.split.where}
    key |= {"cell": cell.id}
    weights = [t.requests for t in result.trials]
    ends_codec_s = float(np.average([t.ends_codec_s for t in result.trials], weights=weights))
    links = result.trials[0].links
    coded_bytes = sum(link.payload_bytes for link in links if link.codec != "none")
    energy_j = None if pj_per_bit is None else coded_bytes * 8 * pj_per_bit * 1e-12
    devices = list(dict.fromkeys(hop.device for hop in result.trials[0].hops))
    sent = dict.fromkeys(("dispatcher", *devices), 0.0)
    for link in links:
        sent[link.sender if link.sender in sent else "dispatcher"] += encoded_bytes(link)
    parts = {node: {"codec": 0.0, "compute": 0.0} for node in (*devices, cell.devices[0])}
    for (stage, part), seconds in found.parts.items():
        if part in ("codec", "compute"):
            parts[stage.partition(" (")[0]][part] += seconds
    # The breakdown counts what the endpoint takes for codecs with the first device.
    parts[cell.devices[0]]["codec"] -= ends_codec_s
    nodes = [key | _node("dispatcher", sent, ends_codec_s, 0.0)]
    nodes += [key | _node(d, sent, parts[d]["codec"], parts[d]["compute"]) for d in devices]
    inference_s = sum(part["compute"] for part in parts.values())
    payload = float(np.average([t.encoded_bytes for t in result.trials], weights=weights))
    total = key | {
        "node": "total",
        "payload_bytes": payload,
        "codec_s": ends_codec_s + sum(part["codec"] for part in parts.values()),
        "inference_s": inference_s,
        "communication_s": found.network_s,
        "total_s": found.total_s,
        "overhead": 1 - inference_s / found.total_s,
        "codec_energy_j": energy_j,
        "codec_pj_per_bit": pj_per_bit,
        "payload_bytes_per_s": payload / found.total_s,
    }
    return [*nodes, total]


def _node(name: str, sent: Mapping[str, float], codec_s: float, inference_s: float) -> dict[str, Any]:
    return {"node": name, "payload_bytes": sent[name], "codec_s": codec_s, "inference_s": inference_s}
