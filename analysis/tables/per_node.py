"""A row a node: what it computes, encodes and sends; with a dispatcher's row and totals, for 1 to N nodes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.data.breakdown import breakdown
from analysis.data.sweep import CellResult
from analysis.data.trial_metrics import encoded_bytes
from analysis.fronts.fronts import Point, best_by_devices
from analysis.study import Study

__all__ = ["NODE_COLUMNS", "node_rows"]

NODE_COLUMNS = (
    *("model", "bundle_name", "network", "nodes", "where", "node", "payload_bytes", "codec_s"),
    "inference_s",
    *("send_s", "communication_s", "total_s", "overhead", "codec_energy_model_j", "codec_pj_per_bit"),
    *("payload_bytes_per_s", "cell"),
)


def node_rows(study: Study, codec_pj_per_bit: float | None = None) -> list[dict[str, Any]]:
    """For each number of devices that compute: those of the split of most throughput, at depth 1, and totals.

    The dispatcher is the source and the sink; its payload is what is sent by no device that computes.
    Means over all requests of all trials, since means add up.

    Args:
        codec_pj_per_bit: What a codec takes for each bit that it is given, in picojoules: of a model, not
            measured. None: no energy.
    """
    rows = []
    for group in study.groups:
        results = {r.cell.id: r for r in group.cells}
        for count, point in best_by_devices(group.capability.points).items():
            of_cell = _of_cell(results[point.latency_cell.id], point, count, codec_pj_per_bit)
            rows += [{**row, "bundle_name": group.title} for row in of_cell]
    return rows


def _of_cell(result: CellResult, point: Point, count: int, pj_per_bit: float | None) -> list[dict[str, Any]]:
    times, cell = breakdown(result), result.cell
    key = {"model": cell.model, "network": cell.network, "nodes": count, "where": point.split.where}
    key |= {"cell": cell.id, "codec_pj_per_bit": pj_per_bit}
    weights = [t.requests for t in result.trials]
    ends_codec_s = float(np.average([t.ends_codec_s for t in result.trials], weights=weights))
    links = result.trials[0].links
    devices = list(dict.fromkeys(hop.device for hop in result.trials[0].hops))
    sent = dict.fromkeys(("dispatcher", *devices), 0.0)
    coded = dict.fromkeys(sent, 0.0)
    for link in links:
        sender = link.sender if link.sender in sent else "dispatcher"
        sent[sender] += encoded_bytes(link)
        coded[sender] += link.payload_bytes if link.codec != "none" else 0.0
    parts = {node: {"codec": 0.0, "compute": 0.0} for node in (*devices, cell.devices[0])}
    for (stage, part), seconds in times.parts.items():
        if part in ("codec", "compute"):
            parts[stage.partition(" (")[0]][part] += seconds
    # The breakdown counts what the endpoint takes for codecs with the first device.
    parts[cell.devices[0]]["codec"] -= ends_codec_s
    sending = dict.fromkeys(devices, 0.0)
    for i, hop in enumerate(result.trials[0].hops):
        sending[hop.device] += float(
            np.average([t.hops[i].means["send_s"] for t in result.trials], weights=weights)
        )
    # What the endpoint takes to send is not recorded.
    nodes = [_node("dispatcher", sent, ends_codec_s, 0.0, None)]
    nodes += [_node(d, sent, parts[d]["codec"], parts[d]["compute"], sending[d]) for d in devices]
    nodes = [key | node | _energy(coded[node["node"]], pj_per_bit) for node in nodes]
    inference_s = sum(part["compute"] for part in parts.values())
    payload = float(np.average([t.encoded_bytes for t in result.trials], weights=weights))
    total = key | {
        "node": "total",
        "payload_bytes": payload,
        "codec_s": ends_codec_s + sum(part["codec"] for part in parts.values()),
        "inference_s": inference_s,
        "communication_s": times.network_s,
        "total_s": times.total_s,
        "overhead": 1 - inference_s / times.total_s,
        "payload_bytes_per_s": payload / times.total_s,
        **_energy(sum(coded.values()), pj_per_bit),
    }
    return [*nodes, total]


def _node(
    name: str, sent: Mapping[str, float], codec_s: float, inference_s: float, send_s: float | None
) -> dict[str, Any]:
    own_s = codec_s + inference_s + (send_s or 0.0)
    return {
        "node": name,
        "payload_bytes": sent[name],
        "codec_s": codec_s,
        "inference_s": inference_s,
        "send_s": send_s,
        "overhead": 1 - inference_s / own_s if send_s is not None and own_s else None,
    }


def _energy(coded_bytes: float, pj_per_bit: float | None) -> dict[str, Any]:
    """Of a model, and so called: nothing was measured."""
    return {"codec_energy_model_j": None if pj_per_bit is None else coded_bytes * 8 * pj_per_bit * 1e-12}
