"""Emulated links keep to their formula, and links to one device share theirs."""

import math
import socket
from queue import SimpleQueue

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.tiny import link
from worker.clock import clock
from worker.links.cancel_scope import CancelScope
from worker.links.emulation import EmulatedLink, EmulatedLinks
from worker.links.ends import SentHook
from worker.links.tcp_outlet import EmulatedOutlet
from worker.wire.errors import RefusedError
from worker.wire.messages import Emulation, LinkSpec
from worker.wire.stream import SocketStream

emulations = st.builds(
    Emulation,
    delay_ms=st.floats(0, 500),
    jitter_ms=st.floats(0, 200),
    rate_mbit=st.none() | st.floats(0.01, 10_000),
    seed=st.integers(0, 1000),
)
frames = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 10_000_000)), min_size=1, max_size=20)


@given(emulations, frames)
def test_in_order_never_early_never_faster_than_the_rate(
    emulation: Emulation, frames: list[tuple[float, int]]
) -> None:
    emulated = EmulatedLink(emulation)
    ready_s, passages = 1000.0, []
    for gap_s, size_bytes in frames:
        ready_s += gap_s
        passages.append((ready_s, size_bytes, emulated.carry(ready_s, size_bytes)))

    for ready_s, size_bytes, passage in passages:
        assert passage.start_s >= ready_s
        sent_bytes = size_bytes + 66 * math.ceil(size_bytes / 1448)
        takes_s = 0.0 if emulation.rate_mbit is None else sent_bytes * 8 / (emulation.rate_mbit * 1e6)
        assert passage.departure_s == pytest.approx(passage.start_s + takes_s)
        earliest_s = max(0.0, emulation.delay_ms - emulation.jitter_ms) / 1e3
        assert passage.delivery_s >= passage.departure_s + earliest_s - 1e-9
    for (_, _, before), (_, _, after) in zip(passages, passages[1:], strict=False):
        assert after.start_s >= before.departure_s
        assert after.delivery_s >= before.delivery_s


def test_frames_queue_for_the_rate_and_overlap_in_the_delay() -> None:
    emulated = EmulatedLink(Emulation(delay_ms=100, rate_mbit=8))
    # 7 segments, whose headers have 66 bytes each: 10,000 bytes on the link.
    first, second = emulated.carry(5.0, 9_538), emulated.carry(5.0, 9_538)
    assert (first.start_s, first.departure_s, first.delivery_s) == pytest.approx((5.0, 5.01, 5.11))
    assert (second.start_s, second.departure_s, second.delivery_s) == pytest.approx((5.01, 5.02, 5.12))
    idle = emulated.carry(9.0, 10_000)
    assert idle.start_s == 9.0


def test_jitter_varies_and_repeats_with_the_seed() -> None:
    def deliveries(seed: int) -> list[float]:
        emulated = EmulatedLink(Emulation(delay_ms=50, jitter_ms=10, seed=seed))
        return [emulated.carry(float(second), 100).delivery_s - second for second in range(50)]

    assert deliveries(1) == deliveries(1) != deliveries(2)
    assert len(set(deliveries(1))) == 50
    assert all(0.04 <= delay_s <= 0.06 for delay_s in deliveries(1))


@pytest.mark.parametrize(
    "emulation",
    [
        Emulation(delay_ms=-1),
        Emulation(jitter_ms=-1),
        Emulation(delay_ms=float("nan")),
        Emulation(rate_mbit=0),
        Emulation(rate_mbit=-5),
        Emulation(rate_mbit=float("nan")),
    ],
)
def test_impossible_links_are_refused(emulation: Emulation) -> None:
    with pytest.raises(RefusedError, match="emulated link cannot have"):
        EmulatedLink(emulation)


def netem_delivery_s(frames: list[tuple[float, int]], delay_s: float, rate_mbit: float) -> list[float]:
    """When netem hands over the last packet of each frame (`netem_enqueue` in the kernel's sch_netem.c)."""
    delivered_s, time_to_send_s = [], float("-inf")
    for ready_s, size_bytes in frames:
        for first in range(0, size_bytes, 1448):
            packet_bytes = 14 + 20 + 32 + min(1448, size_bytes - first)
            time_to_send_s = max(ready_s + delay_s, time_to_send_s) + packet_bytes * 8 / (rate_mbit * 1e6)
        delivered_s.append(time_to_send_s)
    return delivered_s


@given(st.floats(0, 500), st.floats(0.1, 1000), frames)
def test_a_frame_arrives_when_netem_would_deliver_its_last_packet(
    delay_ms: float, rate_mbit: float, gaps: list[tuple[float, int]]
) -> None:
    sent, ready_s = [], 0.0
    for gap_s, size_bytes in gaps:
        ready_s += gap_s
        sent.append((ready_s, size_bytes % 100_000 + 1))
    emulated = EmulatedLink(Emulation(delay_ms=delay_ms, rate_mbit=rate_mbit))
    assert [emulated.carry(*frame).delivery_s for frame in sent] == pytest.approx(
        netem_delivery_s(sent, delay_ms / 1e3, rate_mbit)
    )


def towards(port: int, emulation: Emulation) -> LinkSpec:
    return msgspec.structs.replace(link(f"to {port}", 0, 1, port=port), emulation=emulation)


def test_links_to_one_device_share_one_emulated_link() -> None:
    links = EmulatedLinks()
    emulation = Emulation(rate_mbit=8)
    one, same = (links.towards_receiver_of(towards(5001, emulation)) for _ in range(2))
    other = links.towards_receiver_of(towards(5002, emulation))
    assert one is same
    assert one is not other
    with pytest.raises(RefusedError, match="127.0.0.1:5001 has other emulated conditions"):
        links.towards_receiver_of(towards(5001, Emulation(rate_mbit=9)))


def test_frames_of_links_that_share_take_turns_in_the_order_in_which_they_were_ready() -> None:
    """Although the delay holds back the first link's second frame longer than the others take."""
    emulated = EmulatedLink(Emulation(delay_ms=50, rate_mbit=1))
    scope = CancelScope()
    pairs = [socket.socketpair() for _ in range(2)]
    outlets = [
        EmulatedOutlet(link(f"l{i}", 0, 1, port=1), 2, scope, emulated=emulated, with_memory=True)
        for i in range(2)
    ]
    waited: SimpleQueue[tuple[int, int, float]] = SimpleQueue()

    def note_of(number: int) -> SentHook:
        return lambda slot, wait_send_s, _send_s: waited.put((number, slot.request, wait_send_s))

    for number, (outlet, (end, _)) in enumerate(zip(outlets, pairs, strict=True)):
        outlet.on_sent = note_of(number)
        outlet.attach(SocketStream(end, "peer"))
    ready_at_s = clock()
    for number, request in ((0, 0), (0, 1), (1, 0), (0, 2)):
        slot = outlets[number].pool.take_now()
        assert slot is not None
        slot.request, slot.ready_at_s = request, ready_at_s
        assert outlets[number].send_now(slot)
    found = [waited.get(timeout=5) for _ in range(4)]
    scope.end()
    for outlet, (_, other_end) in zip(outlets, pairs, strict=True):
        other_end.close()
        outlet.close()
    # Header, descriptor, payload, and the headers of one segment.
    frame_s = (24 + 10 + 64 + 66) * 8 / 1e6
    assert {each[:2]: each[2] for each in found} == pytest.approx(
        {(0, 0): 0, (0, 1): frame_s, (1, 0): 2 * frame_s, (0, 2): 3 * frame_s}
    )
