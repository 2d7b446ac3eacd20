"""Records: rows come out as they went in, however many."""

import numpy as np
import pytest

from worker.records import HOP, Ledger, rows_of


@pytest.mark.parametrize("count", [0, 1, 16_384, 16_385, 40_000])
def test_rows_come_out_as_they_went_in(count: int) -> None:
    ledger = Ledger()
    for request in range(count):
        fields = [request + field / 10 for field in range(1, 10)]
        ledger.append((request, *fields[:6]), *fields[6:])
    rows = rows_of(ledger.take(), HOP)
    assert rows["request"].tolist() == list(range(count))
    for field, name in enumerate((HOP.names or ())[1:], start=1):
        np.testing.assert_array_equal(rows[name], np.arange(count) + field / 10)
    assert ledger.take() == b""


def test_request_0_begins_a_new_run() -> None:
    ledger = Ledger()
    for request in (0, 1, 2, 0, 1):
        ledger.append((request, *([0.5] * 6)), 0.5, 0.5, 0.5)
    assert rows_of(ledger.take(), HOP)["request"].tolist() == [0, 1]
