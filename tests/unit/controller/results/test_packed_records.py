"""Records in a trial's row: what they expand to is bounded, and their digest knows no names."""

import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.results import Course, Hop, Link, Trial
from controller.results.records import digest_of, pack, unpack
from worker.records import ENDPOINT, HOP

ROWS = 20


def a_trial() -> Trial:
    endpoint, hop = np.zeros(ROWS, ENDPOINT), np.zeros(ROWS, HOP)
    endpoint["request"] = hop["request"] = np.arange(ROWS)
    endpoint["counted"], endpoint["latency_s"], hop["compute_s"] = 1, 0.1, 0.02
    return Trial(
        cell="c",
        number=0,
        started_at="2026-01-01T00:00:00+00:00",
        elapsed_s=2.0,
        checked=ROWS,
        worst_error=1e-7,
        hops=(Hop("pi", 0, 2, 1, 0.01, 0.02), Hop("server", 2, 4, 1, 0.01, 0.02)),
        links=(Link("pi", "server", 32), Link("server", "controller", 4)),
        endpoint_rows=endpoint,
        hop_rows=(hop, hop),
        course=Course(jitter_seeds={"pi -> server": 5}),
        telemetry={"server": [{"at_s": 1.0, "throttled": 0}], "pi": [{"at_s": 2.0}]},
    )


def test_records_come_back() -> None:
    trial = a_trial()
    endpoint, hops = unpack(pack(trial.endpoint_rows, trial.hop_rows), ROWS, 2)
    assert endpoint.tolist() == trial.endpoint_rows.tolist()
    assert [rows.tolist() for rows in hops] == [rows.tolist() for rows in trial.hop_rows]


def test_a_few_records_do_not_become_a_gigabyte() -> None:
    rows = 5_000_000
    expander = zlib.compressobj()
    bomb = b"".join(expander.compress(bytes(1 << 20)) for _ in range(64)) + expander.flush()
    tracemalloc.start()
    for claimed in (rows, 10**15, 100):
        with pytest.raises(ValueError, match="do not hold|not the bytes"):
            unpack(bomb, claimed, 1)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("latency_s", 0.0, "latency_s is not above 0"),
        ("finished_at_s", np.nan, "finished_at_s is negative or not a number"),
        ("decode_s", np.inf, "decode_s is longer than 1e"),
        ("counted", 2, "counted is neither 0 nor 1"),
        ("request", 3, "endpoint: its requests are not 0 to 19 in order"),
    ],
)
def test_impossible_rows_are_refused(field: str, value: float, why: str) -> None:
    trial = a_trial()
    trial.endpoint_rows[field][7] = value
    with pytest.raises(ValueError, match=why):
        unpack(pack(trial.endpoint_rows, trial.hop_rows), ROWS, 2)


def test_other_names_leave_the_digest_as_it_is() -> None:
    trial = a_trial()
    renamed = replace(
        trial,
        cell="other",
        hops=tuple(replace(hop, device=f"host {hop.device}") for hop in trial.hops),
        links=(Link("host pi", "host server", 32), Link("host server", "controller", 4)),
        course=Course(jitter_seeds={"host pi -> host server": 5}),
        telemetry={f"host {device}": samples for device, samples in trial.telemetry.items()},
    )
    assert digest_of(renamed) == digest_of(trial)


@pytest.mark.parametrize(
    "change",
    [
        {"elapsed_s": 2.1},
        {"checked": 3},
        {"worst_error": 0.0},
        {"number": 1},
        {"hops": tuple(reversed(a_trial().hops))},
        {"hops": (replace(a_trial().hops[0], alone_s=None), a_trial().hops[1])},
        {"links": (Link("server", "pi", 32), Link("server", "controller", 4))},
        {"course": Course(jitter_seeds={"pi -> server": 6})},
        {"course": Course(overloaded=True, jitter_seeds={"pi -> server": 5})},
        {"telemetry": {"server": [{"at_s": 1.0, "throttled": 1}], "pi": [{"at_s": 2.0}]}},
        {"telemetry": {"pi": [{"at_s": 1.0, "throttled": 0}], "server": [{"at_s": 2.0}]}},
        {"hop_rows": (a_trial().hop_rows[0], np.roll(a_trial().hop_rows[1], 1))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_was_measured_is_in_the_digest(change: dict[str, Any]) -> None:
    assert digest_of(replace(a_trial(), **change)) != digest_of(a_trial())
