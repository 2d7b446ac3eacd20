"""A trial as it would be if nothing disturbed it: exact times of a closed loop of two stages."""

import numpy as np

from controller.results import Hop, Link, Trial
from worker.records import ENDPOINT, HOP

DEPTH = 4
FIRST, COUNT = 6, 24
STAGE_S = (0.004, 0.010)


def a_trial(*, depth: int = DEPTH, gap_s: float = 0.0, first_stage_s: float = STAGE_S[0]) -> Trial:
    """A closed loop of two stages on two clocks, with filling and draining; `gap_s` to refill a credit."""
    total = FIRST + COUNT + depth - 1
    scheduled, finished = np.zeros(total), np.zeros(total)
    begins = np.zeros((2, total))
    free_s = [0.0, 0.0]
    stages_s = (first_stage_s, STAGE_S[1])
    for i in range(total):
        scheduled[i] = at_s = finished[i - depth] + gap_s if i >= depth else 0.0
        for j, takes_s in enumerate(stages_s):
            begins[j, i] = max(at_s, free_s[j])
            at_s = free_s[j] = begins[j, i] + takes_s
        finished[i] = at_s
    endpoint = np.zeros(total, ENDPOINT)
    endpoint["request"] = np.arange(total)
    endpoint["scheduled_at_s"], endpoint["finished_at_s"] = scheduled, finished
    endpoint["latency_s"] = finished - scheduled
    endpoint["counted"][FIRST : FIRST + COUNT] = 1
    hops = []
    for j, takes_s in enumerate(stages_s):
        rows = np.zeros(total, HOP)
        rows["request"], rows["compute_s"] = np.arange(total), takes_s
        # Each device has a clock of its own.
        rows["compute_at_s"] = rows["received_at_s"] = begins[j] + 1000.0 * j
        hops.append(rows)
    return Trial(
        cell="c",
        number=0,
        started_at="now",
        elapsed_s=float(finished[FIRST + COUNT - 1] - finished[FIRST - 1]),
        checked=COUNT,
        worst_error=0.0,
        hops=(Hop("pi", 0, 3, 1, 0.1), Hop("server", 3, 6, 1, 0.1)),
        links=(Link("pi", "server", 800),),
        endpoint_rows=endpoint,
        hop_rows=tuple(hops),
    )
