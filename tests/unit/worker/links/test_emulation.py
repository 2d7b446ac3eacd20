"""The emulated link keeps to its formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.links.emulation import EmulatedLink
from worker.wire.errors import RefusedError
from worker.wire.messages import Emulation

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
    link = EmulatedLink(emulation)
    ready_s, passages = 1000.0, []
    for gap_s, size_bytes in frames:
        ready_s += gap_s
        passages.append((ready_s, size_bytes, link.carry(ready_s, size_bytes)))

    for ready_s, size_bytes, passage in passages:
        assert passage.start_s >= ready_s
        takes_s = 0.0 if emulation.rate_mbit is None else size_bytes * 8 / (emulation.rate_mbit * 1e6)
        assert passage.departure_s == pytest.approx(passage.start_s + takes_s)
        earliest_s = max(0.0, emulation.delay_ms - emulation.jitter_ms) / 1e3
        assert passage.delivery_s >= passage.departure_s + earliest_s - 1e-9
    for (_, _, before), (_, _, after) in zip(passages, passages[1:], strict=False):
        assert after.start_s >= before.departure_s
        assert after.delivery_s >= before.delivery_s


def test_frames_queue_for_the_rate_and_overlap_in_the_delay() -> None:
    link = EmulatedLink(Emulation(delay_ms=100, rate_mbit=8))
    first, second = link.carry(5.0, 10_000), link.carry(5.0, 10_000)
    assert (first.start_s, first.departure_s, first.delivery_s) == pytest.approx((5.0, 5.01, 5.11))
    assert (second.start_s, second.departure_s, second.delivery_s) == pytest.approx((5.01, 5.02, 5.12))
    idle = link.carry(9.0, 10_000)
    assert idle.start_s == 9.0


def test_jitter_varies_and_repeats_with_the_seed() -> None:
    def deliveries(seed: int) -> list[float]:
        link = EmulatedLink(Emulation(delay_ms=50, jitter_ms=10, seed=seed))
        return [link.carry(float(second), 100).delivery_s - second for second in range(50)]

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
