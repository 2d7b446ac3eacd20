"""What controller tests share: a device profile of `tiny`, made without running anything."""

import pytest

from controller.profiling.profile import FORMAT, DeviceProfile, LinkProfile, PairProfile, Profile
from exporter.bundle import Bundle


@pytest.fixture
def profile(tiny: Bundle) -> Profile:
    """`pi` is four times slower than `server`; each of tiny's 4 nodes takes the server 1 ms, a run 0.1 ms."""

    def device(slowdown: float) -> DeviceProfile:
        upto = [slowdown * (0.0001 + 0.001 * nodes) if nodes else 0.0 for nodes in range(5)]
        return DeviceProfile(
            settings={"slowdown": slowdown, "memory_bytes": 10**9},
            taken_at="2026-01-01T00:00:00+00:00",
            prefix_s=tuple(upto),
            suffix_s=tuple(reversed(upto)),
            requests=11,
            spread=0.01,
            idle_bytes=50_000_000,
        )

    return Profile(
        format=FORMAT,
        lab="paper",
        model="tiny",
        bundle=tiny.digest,
        batch=1,
        threads=1,
        shaping="emulated",
        cuts=(0, 1, 2, 3, 4),
        taken_at="2026-01-01T00:00:00+00:00",
        took_s=1.0,
        devices={"pi": device(4.0), "server": device(1.0)},
        links=tuple(
            LinkProfile(sender=sender, receiver=receiver, round_trip_s=0.0002, rate_mbit=800.0)
            for sender, receiver in (("pi", "server"), ("server", "pi"))
        ),
        pairs=(PairProfile(source="pi", follower="server", idle_s=(0.01,), fixed_s=(0.0005,), byte_s=0.0),),
    )
