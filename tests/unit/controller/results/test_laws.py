"""Laws of a trial: good trials keep them, and each planted breach is named."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from controller.results import Hop, Link, Trial
from controller.results.laws import broken_law, endpoint_faults, hop_faults
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


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_good_trial_keeps_all_laws(depth: int) -> None:
    assert broken_law(a_trial(depth=depth), depth) is None
    assert broken_law(a_trial(depth=depth, gap_s=9e-5), depth) is None


def _request_lost(trial: Trial) -> Trial:
    return replace(trial, endpoint_rows=np.delete(trial.endpoint_rows, FIRST + 3))


def _row_of_hop_lost(trial: Trial) -> Trial:
    return replace(trial, hop_rows=(trial.hop_rows[0], trial.hop_rows[1][:-1]))


def _out_of_order(trial: Trial) -> Trial:
    rows = trial.endpoint_rows.copy()
    rows[[8, 9]] = rows[[9, 8]]
    return replace(trial, endpoint_rows=rows)


def _finished_backwards(trial: Trial) -> Trial:
    rows = trial.endpoint_rows.copy()
    rows["finished_at_s"][9] = rows["finished_at_s"][8] - 0.001
    rows["latency_s"] = rows["finished_at_s"] - rows["scheduled_at_s"]
    return replace(trial, endpoint_rows=rows)


def _not_finite(trial: Trial) -> Trial:
    rows = trial.hop_rows[1].copy()
    rows["wait_compute_s"][5] = np.nan
    return replace(trial, hop_rows=(trial.hop_rows[0], rows))


def _counted_with_a_hole(trial: Trial) -> Trial:
    rows = trial.endpoint_rows.copy()
    rows["counted"][FIRST + 2] = 0
    return replace(trial, endpoint_rows=rows)


def _elapsed_too_short(trial: Trial) -> Trial:
    return replace(trial, elapsed_s=trial.elapsed_s * 0.99)


def _refilled_late(trial: Trial) -> Trial:
    return a_trial(gap_s=0.001)


def _computed_twice_at_once(trial: Trial) -> Trial:
    rows = trial.hop_rows[1].copy()
    rows["compute_s"] *= 1.01
    return replace(trial, hop_rows=(trial.hop_rows[0], rows))


@pytest.mark.parametrize(
    ("breach", "law"),
    [
        (_elapsed_too_short, "Little's law: requests were in flight for 0.96 s in all; depth 4 x 0.2376 s"),
        (_refilled_late, "Little's law: "),
        (_computed_twice_at_once, "a thread computes one request at a time; stage 3-6 on server computed"),
    ],
)
def test_each_breach_is_named(breach: Callable[[Trial], Trial], law: str) -> None:
    broken = broken_law(breach(a_trial()), DEPTH)
    assert broken is not None and law in broken


def _faults(trial: Trial) -> list[str]:
    """Of the endpoint's rows, then of each hop's."""
    rows = trial.endpoint_rows
    found = list(endpoint_faults(rows, (FIRST, FIRST + COUNT), trial.elapsed_s))
    return found + [fault for of_hop in trial.hop_rows for fault in hop_faults(of_hop, rows)]


def test_good_rows_have_no_fault() -> None:
    assert _faults(a_trial()) == []


@pytest.mark.parametrize(
    ("breach", "fault"),
    [
        (_request_lost, "does not have requests 0 to 31 in order"),
        (_row_of_hop_lost, "does not have requests 0 to 32 in order"),
        (_out_of_order, "does not have requests 0 to 32 in order"),
        (_finished_backwards, "finished_at_s runs backwards"),
        (_not_finite, "wait_compute_s is negative or not a number"),
        (_counted_with_a_hole, "requests 6 to 30 count, but its 33 rows say otherwise"),
        (_elapsed_too_short, "its requests came back in 0.24 s, not in 0.2376 s"),
    ],
)
def test_each_fault_of_the_rows_is_named(breach: Callable[[Trial], Trial], fault: str) -> None:
    assert _faults(breach(a_trial()))[0] == fault


def test_an_elapsed_time_that_a_stage_computed_longer_than_is_named_in_an_open_loop_too() -> None:
    trial = a_trial(depth=1)
    broken = broken_law(replace(trial, elapsed_s=COUNT * 0.009), None)
    assert broken is not None and "stage 3-6 on server computed 0.24 s in 0.216 s" in broken


def test_little_holds_for_closed_loops_alone() -> None:
    assert broken_law(a_trial(gap_s=0.001), None) is None
