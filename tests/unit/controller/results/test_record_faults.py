"""What devices recorded of a run: good rows have no fault, and each planted one is named."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from controller.results import Trial
from controller.results.record_faults import endpoint_faults, hop_faults
from tests.unit.controller.results.closed_loop import COUNT, FIRST, a_trial


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
        (_request_lost, "its requests are not 0 to 31 in order"),
        (_row_of_hop_lost, "its requests are not 0 to 32 in order"),
        (_out_of_order, "its requests are not 0 to 32 in order"),
        (_finished_backwards, "finished_at_s runs backwards"),
        (_not_finite, "wait_compute_s is negative or not a number"),
        (_counted_with_a_hole, "requests 6 to 30 count, but its 33 rows say otherwise"),
        (_elapsed_too_short, "its requests came back in 0.24 s, not in 0.2376 s"),
    ],
)
def test_each_fault_of_the_rows_is_named(breach: Callable[[Trial], Trial], fault: str) -> None:
    assert _faults(breach(a_trial()))[0] == fault
