"""How many may try at once, and how often from one address."""

from worker.access.admission import BURST, MAX_PENDING, Admission
from worker.wire.stream import SocketStream


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Pending(SocketStream):
    """A connection of which only matters whether it was ended."""

    def __init__(self) -> None:
        self.is_shut = False

    def shut(self) -> None:
        self.is_shut = True


def test_an_address_that_failed_too_often_is_refused_for_a_while() -> None:
    clock, log = Clock(), list[str]()
    admission = Admission(limits=True, log=log.append, now=clock)
    for _ in range(BURST):
        assert admission.may_try("10.0.0.9")
        admission.failed("10.0.0.9")
    assert not admission.may_try("10.0.0.9")
    assert admission.may_try("10.0.0.8")
    assert admission.denied == BURST + 1
    assert len(log) == 1 and "10.0.0.9: 20 failed attempts" in log[0]
    clock.now_s += 0.5
    assert admission.may_try("10.0.0.9")
    admission.failed("10.0.0.9")
    assert not admission.may_try("10.0.0.9")
    assert len(log) == 1
    clock.now_s += 60
    for _ in range(BURST):
        assert admission.may_try("10.0.0.9")
        admission.failed("10.0.0.9")
    assert len(log) == 2


def test_addresses_of_one_network_of_ipv6_count_as_one() -> None:
    admission = Admission(limits=True, log=lambda _: None, now=Clock())
    for host in range(BURST):
        admission.failed(f"2001:db8::{host:x}%eth0")
    assert not admission.may_try("2001:db8::ffff")
    assert admission.may_try("2001:db8:0:1::1")
    for _ in range(BURST):
        admission.failed("::ffff:10.0.0.9")
    assert not admission.may_try("10.0.0.9")


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    admission = Admission(limits=True, log=lambda _: None, now=Clock())
    for number in range(5000):
        admission.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(admission._debts) == 256
    assert admission.denied == 5000


def test_where_anybody_is_let_in_nobody_is_refused() -> None:
    admission = Admission(limits=False, log=lambda _: None, now=Clock())
    for _ in range(3 * BURST):
        admission.failed("10.0.0.9")
    assert admission.may_try("10.0.0.9")
    assert admission.denied == 3 * BURST


def test_one_too_many_at_once_ends_the_oldest() -> None:
    admission = Admission(limits=True, log=lambda _: None)
    streams = [Pending() for _ in range(MAX_PENDING + 2)]
    for stream in streams[:MAX_PENDING]:
        admission.begin(stream)
    assert not any(stream.is_shut for stream in streams)
    admission.end(streams[0])
    admission.begin(streams[MAX_PENDING])
    assert not any(stream.is_shut for stream in streams)
    admission.begin(streams[MAX_PENDING + 1])
    assert [stream.is_shut for stream in streams].index(True) == 1
    assert sum(stream.is_shut for stream in streams) == 1
