"""A trial under an open load -> what each request took of each station, and its long-run figures."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from controller.results.metrics import IN_HOP, QUANTILES, SAMPLES_NEEDED
from controller.results.trial import Trial
from controller.statistics.steady_state import OpenRun, Steady, steady_state
from controller.statistics.tandem import UNBOUNDED, Chain

__all__ = ["chain_of", "open_run", "steady_of"]

Floats = NDArray[np.float64]

_MATTERS: Final = 0.02
"""A station with less than this share of the slowest one's time makes no queue worth simulating."""


def open_run(
    trial: Trial, arrivals: Literal["constant", "poisson"], rate_per_s: float, depth: int
) -> OpenRun:
    """A trial as `controller.statistics.steady_state` takes it."""
    rows = trial.endpoint_rows
    counted = np.flatnonzero(rows["counted"])
    return OpenRun(
        arrivals,
        rate_per_s,
        due_s=rows["scheduled_at_s"] - rows["scheduled_at_s"][0],
        latency_s=rows["latency_s"],
        chain=chain_of(trial, depth),
        counted=slice(int(counted[0]), int(counted[-1]) + 1),
    )


def steady_of(run: OpenRun, seed: int) -> Steady:
    """The long-run figures of a trial."""
    requests = run.counted.stop - run.counted.start
    quantiles = {name: q for name, q in QUANTILES.items() if requests >= SAMPLES_NEEDED[name]}
    return steady_state(run, quantiles, np.random.default_rng(seed))


def chain_of(trial: Trial, depth: int) -> Chain:
    """What each of a trial's requests took, waits left out.

    At depth 1 the whole pipeline is one station. Else a hop is three: its receive thread, its compute thread
    and what leaves it. A station that goes on with the next request at once shows what it needs between two.
    """
    rows = trial.endpoint_rows
    sent_at_s = rows["scheduled_at_s"] + rows["wait_source_s"]
    inside_s = rows["latency_s"] - rows["wait_source_s"]
    if depth == 1:
        between_s = _between_s(rows["scheduled_at_s"], sent_at_s, inside_s)
        return Chain((inside_s + between_s)[:, None], np.zeros_like(inside_s))
    stations: list[Floats] = []
    in_hops_s = np.zeros_like(inside_s)
    for records in trial.hop_rows:
        hop = records[np.argsort(records["request"])][: len(rows)]
        ready_s = hop["received_at_s"] + hop["decode_s"]
        between_s = _between_s(ready_s, hop["compute_at_s"], hop["compute_s"])
        stations += [
            hop["receive_s"] + hop["decode_s"],
            hop["compute_s"] + between_s,
            hop["encode_s"] + hop["send_s"],
        ]
        in_hops_s += np.sum([hop[part] for part in (*IN_HOP, "receive_s", "wait_send_s", "send_s")], axis=0)
    services_s = np.stack(stations, axis=1)
    means_s = services_s.mean(axis=0)
    return Chain(
        services_s[:, means_s >= _MATTERS * means_s.max()],
        np.maximum(inside_s - in_hops_s, 0.0),
        depth if depth < len(rows) else UNBOUNDED,
    )


def _between_s(ready_at_s: Floats, begun_at_s: Floats, took_s: Floats) -> Floats:
    """Time from a request's end until the station begins the next, where that one had been waiting.

    Where none was, it is the mean of the others.
    """
    ended_at_s = begun_at_s + took_s
    idle_s = np.append(begun_at_s[1:] - ended_at_s[:-1], 0.0)
    had_waited = np.append(ready_at_s[1:] < ended_at_s[:-1], False)
    usual_s = float(idle_s[had_waited].mean()) if had_waited.any() else 0.0
    return np.maximum(np.where(had_waited, idle_s, usual_s), 0.0)
