"""A busy machine and a wrong figure are told apart."""

import pytest

from benchmarks.truth.cases import CASES
from benchmarks.truth.compared import Compared, name, share
from benchmarks.truth.suite import Judged

MS = 1e-3


def figure(what: str, error: float, *, per_late_s: float = 50.0) -> Compared:
    return Compared("free, depth 1", what, 1 + error, 1.0, error, per_late_s=per_late_s)


@pytest.fixture(name="judged")
def fixture_judged() -> Judged:
    return Judged(CASES[0])


def test_a_figure_that_holds_once_holds(judged: Judged) -> None:
    judged.add([figure("latency", 0.07), figure("throughput", 0.01)], delay_s=0.0)
    judged.add([figure("latency", -0.01), figure("throughput", 0.06)], delay_s=0.0)
    assert judged.off == []


def test_a_figure_that_is_off_on_an_idle_machine_each_time_is_wrong(judged: Judged) -> None:
    judged.add([figure("latency", 0.05)], delay_s=0.0)
    judged.add([figure("latency", 0.04)], delay_s=0.0)
    assert judged.wrong == [figure("latency", 0.04)]
    assert judged.disturbed == []


def test_a_figure_that_late_threads_explain_is_disturbed_and_not_wrong(judged: Judged) -> None:
    judged.add([figure("latency", 0.05)], delay_s=1 * MS)
    assert judged.wrong == []
    assert judged.disturbed == [figure("latency", 0.05)]


def test_late_threads_explain_no_more_than_their_time_and_nothing_of_bytes(judged: Judged) -> None:
    far, size = figure("latency", 0.30), figure("payload bytes", 0.05, per_late_s=0.0)
    judged.add([far, size], delay_s=1 * MS)
    assert judged.wrong == [far, size]


def test_what_a_busy_machine_leaves_unknown_is_disturbed_and_on_an_idle_one_wrong() -> None:
    unknown = share("free, depth 1", "busy of pi", "", 1.0, per_late_s=50.0, nullable=True)
    named = name("free, depth 1", "bottleneck", "", "pi", per_late_s=50.0, nullable=True)
    missing = share("free, depth 1", "occupied of pi", "", 1.0, per_late_s=50.0)
    busy, idle = Judged(CASES[0]), Judged(CASES[0])
    busy.add([unknown, named, missing], delay_s=1 * MS)
    idle.add([unknown, named, missing], delay_s=0.0)
    assert (busy.disturbed, busy.wrong) == ([unknown, named], [missing])
    assert idle.wrong == [unknown, named, missing]
