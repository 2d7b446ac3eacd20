"""Where the time of a request goes, by stage and link."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.data.sweep import CellResult
from analysis.data.trial_metrics import ON_NETWORK

__all__ = [
    "Breakdown",
    "breakdown",
    "breakdowns",
]

_PARTS = {"wait": ("wait_compute_s",), "codec": ("decode_s", "encode_s"), "compute": ("compute_s",)}


@dataclass(frozen=True)
class Breakdown:
    """Mean seconds a request of one depth-1 cell, over all requests of all its trials.

    Means, not medians: means add up. `parts` (by stage and part), `source_s` and `network_s` make `total_s`;
    `on_network` lies within `network_s`.
    """

    result: CellResult
    total_s: float
    parts: dict[tuple[str, str], float]
    source_s: float
    network_s: float
    on_network: dict[str, float]


def breakdown(result: CellResult) -> Breakdown:
    """Where the time of a finished cell goes."""
    trials = result.trials
    weights = [t.requests for t in trials]

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=weights))

    parts = {
        (hop.stage, part): mean([sum(t.hops[i].means[n] for n in names) for t in trials])
        for i, hop in enumerate(trials[0].hops)
        for part, names in _PARTS.items()
    }
    ends_codec_s = mean([t.ends_codec_s for t in trials])
    if ends_codec_s:
        # Source and sink are on the first device, or on the controller, which has no colour of its own.
        head = trials[0].hops[0]
        first = head.stage if head.device == result.cell.devices[0] else result.cell.devices[0]
        parts = {(first, part): parts.get((first, part), 0.0) for part in _PARTS} | parts
        parts[first, "codec"] += ends_codec_s
    return Breakdown(
        result=result,
        total_s=mean([t.latency_mean_s for t in trials]),
        parts=parts,
        source_s=mean([t.source_s for t in trials]),
        network_s=mean([t.network_s for t in trials]),
        on_network={n: mean([sum(h.means[n] for h in t.hops) for t in trials]) for n in ON_NETWORK},
    )


def breakdowns(results: Sequence[CellResult]) -> list[Breakdown]:
    """Of each split's finished depth-1 cell, from offload to stay.

    Where the sweep found that a split needs no more than depth 1, it has another such cell for its capacity.
    """
    alone = {
        r.cell.split_id: r
        for r in sorted(results, key=lambda r: r.cell.depth_key, reverse=True)
        if r.trials and r.load == "single"
    }.values()
    return [breakdown(r) for r in sorted(alone, key=lambda r: (r.cell.devices, r.cell.cuts, r.cell.batch))]
