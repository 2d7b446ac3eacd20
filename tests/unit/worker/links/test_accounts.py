"""Accounts of links' use: which part of a run they cover, and what an emulated link's schedule says."""

from collections.abc import Iterable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.links.accounts import KernelAccount, ScheduleAccount
from worker.links.emulation import EmulatedLink, Passage
from worker.wire.messages import Emulation
from worker.wire.stream import Stream
from worker.wire.tcp_account import TcpAccount


class _Connection:
    """Has these accounts, one after the other."""

    def __init__(self, accounts: Iterable[TcpAccount | None]) -> None:
        self._accounts = iter(accounts)

    def tcp_account(self) -> TcpAccount | None:
        return next(self._accounts)


def noted(accounts: Iterable[TcpAccount | None], requests: Iterable[int]) -> KernelAccount:
    account, connection = KernelAccount("there"), cast(Stream, _Connection(accounts))
    for request in requests:
        account.note(request, connection)
    return account


def busy(seconds: float, round_trip_s: float = 0.001, *, is_queued: bool = False) -> TcpAccount:
    return TcpAccount(seconds, seconds / 2, seconds / 4, round(1000 * seconds), round_trip_s, is_queued)


def test_the_kernels_sums_are_of_the_requests_that_count() -> None:
    account = noted([busy(1), busy(2), busy(4, 0.0005), busy(8), busy(16)], range(5))
    counted = account.take((1, 3))
    assert counted is not None
    assert (counted.link, counted.by, counted.frames) == ("there", "kernel", 2)
    assert (counted.busy_s, counted.rwnd_limited_s, counted.sndbuf_limited_s) == (6, 3, 1.5)
    assert (counted.queued_s, counted.carried_bytes) == (0, 6000)
    assert counted.elapsed_s > 0
    assert counted.round_trip_s == 0.0005


def test_what_a_frame_finds_queued_was_there_since_the_frame_before() -> None:
    queued = [False, True, False, True, True]
    account = noted([busy(2.0**i, is_queued=is_queued) for i, is_queued in enumerate(queued)], range(5))
    counted = account.take((1, 4))
    assert counted is not None
    # Busy for 4 and 8, half of which the receiver took no more; what the first frame found came before.
    assert counted.queued_s == 2 + 4


def test_without_a_frame_after_the_last_that_one_ends_it() -> None:
    counted = noted([busy(1), busy(2), busy(4)], range(3)).take((1, 3))
    assert counted is not None
    assert (counted.frames, counted.busy_s) == (1, 2)


@pytest.mark.parametrize("counted", [(2, 3), (3, 9), (-2, 2), (2, 1)])
def test_of_less_than_two_frames_nothing_is_known(counted: tuple[int, int]) -> None:
    account = noted([busy(1), busy(2), busy(4)], range(3))
    assert account.take(counted) is None


def test_request_0_begins_a_new_run() -> None:
    counted = noted([busy(1), busy(2), busy(3), busy(10), busy(12)], [0, 1, 2, 0, 1]).take((0, 9))
    assert counted is not None
    assert (counted.frames, counted.busy_s) == (1, 2)


def test_without_the_kernels_account_of_every_frame_nothing_is_known() -> None:
    assert noted([None, None, None], range(3)).take((0, 3)) is None
    assert noted([None, busy(1), busy(2)], range(3)).take((0, 3)) is None


frames = st.lists(
    st.tuples(st.floats(0, 0.05), st.integers(1, 50_000), st.booleans()), min_size=3, max_size=30
)


@given(frames, st.none() | st.floats(1, 100), st.data())
def test_a_schedule_counts_each_frame_of_the_link_while_it_passes(
    frames: list[tuple[float, int, bool]], rate_mbit: float | None, data: st.DataObject
) -> None:
    """Frames of another link, which shares the emulated one, pass in between."""
    emulated, account = EmulatedLink(Emulation(delay_ms=3, rate_mbit=rate_mbit)), ScheduleAccount("there")
    ready_s, own = 1000.0, list[tuple[float, Passage]]()
    for gap_s, size_bytes, is_own in frames:
        ready_s += gap_s
        passage = emulated.carry(ready_s, size_bytes)
        if is_own:
            account.note(len(own), ready_s, passage)
            own.append((ready_s, passage))
    first = data.draw(st.integers(0, len(own)))
    stop = data.draw(st.integers(first, len(own)))
    counted = account.take((first, stop))
    last = min(stop, len(own) - 1)
    if last <= first:
        assert counted is None
        return
    began_s, ended_s = own[first][0], own[last][0]
    passed_s = sum(max(0.0, min(p.departure_s, ended_s) - max(p.start_s, began_s)) for _, p in own)
    assert counted is not None
    assert (counted.by, counted.frames) == ("emulation", last - first)
    assert counted.elapsed_s == pytest.approx(ended_s - began_s)
    assert counted.busy_s == pytest.approx(passed_s, abs=1e-9)


def test_a_link_that_limits_is_in_use_all_the_time_and_one_that_does_not_for_its_share() -> None:
    def share(period_s: float) -> float:
        emulated, account = EmulatedLink(Emulation(rate_mbit=8)), ScheduleAccount("there")
        for request in range(30):
            # 7 segments with their headers: 10,000 bytes, which take 10 ms.
            ready_at_s = request * period_s
            account.note(request, ready_at_s, emulated.carry(ready_at_s, 9_538))
        counted = account.take((4, 28))
        assert counted is not None
        return counted.busy_s / counted.elapsed_s

    assert share(0.010) == pytest.approx(1)
    assert share(0.016) == pytest.approx(10 / 16)


def test_an_account_that_was_handed_over_is_forgotten() -> None:
    """Or a worker would keep a row for every request of its longest run."""
    account = noted([busy(1), busy(2), busy(4)], range(3))
    assert account.take((1, 3)) is not None
    assert account.take((1, 3)) is None
