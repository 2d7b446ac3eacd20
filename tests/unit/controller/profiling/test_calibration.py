"""Fits, on cells whose costs are known."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from controller.planning import Profile
from controller.profiling.calibration import (
    Sample,
    chosen_cuts,
    fit_idle_penalty,
    fit_load,
    fit_messages,
    short_run_for,
)
from controller.profiling.segments import stage_s
from controller.profiling.short_runs import ShortRun
from exporter.bundle import Bundle

BYTES = (1_000, 50_000, 200_000, 400_000)


def sample(sent_bytes: int, *, depth: int = 1, delay_ms: float = 2.0, pi_s: float = 0.004) -> Sample:
    """A message costs 0.3 ms and 1 ns a byte; waiting costs the server half its time again, load 10 %."""
    delays_s = 2 * delay_ms / 1e3
    network_s = delays_s + 2 * 0.0003 + sent_bytes * 1e-9
    compute_s = {"pi": pi_s, "server": 0.0015} if depth == 1 else {"pi": 1.1 * pi_s, "server": 0.001}
    return Sample(
        source="pi",
        follower="server",
        depth=depth,
        delay_ms=delay_ms,
        delays_s=delays_s,
        alone_s={"pi": pi_s, "server": 0.001},
        compute_s=compute_s,
        sent_bytes=sent_bytes,
        latency_s=sum(compute_s.values()) + network_s,
        network_s=network_s,
        period_s=1.1 * pi_s + 0.0002 + 2e-9 * sent_bytes,
    )


def test_messages_beyond_delay(profile: Profile) -> None:
    samples = [sample(size, delay_ms=delay_ms) for size in BYTES for delay_ms in (0.2, 2.0)]
    fitted = fit_messages(samples, ("pi", "server"), profile)
    assert fitted.byte_s == pytest.approx(1e-9)
    assert fitted.fixed_s == pytest.approx((0.0003, 0.0003))


def test_messages_beyond_what_probes_saw(profile: Profile) -> None:
    """Where links are as they are, their round trip and their rate are the probes' (0.2 ms, 10 ns a byte)."""
    samples = [sample(size, delay_ms=0.0) for size in BYTES]
    fitted = fit_messages(samples, ("pi", "server"), msgspec.structs.replace(profile, shaping="none"))
    # The messages took 1 ns a byte, less than the probe saw: what is beyond counts as nothing.
    assert fitted.byte_s == 0
    assert fitted.fixed_s[0] < 0.0003


def test_waiting_slows_a_stage_by_a_factor() -> None:
    fitted = fit_idle_penalty("server", [sample(size, delay_ms=d) for size in BYTES for d in (0.2, 10.0)])
    assert [point.factor for point in fitted] == pytest.approx([1.5, 1.5])
    assert fitted[0].idle_s < fitted[1].idle_s


def test_load_is_fitted_where_the_device_sets_the_pace() -> None:
    busy = [
        sample(size, depth=4, pi_s=pi_s)
        for size, pi_s in zip(BYTES, (0.003, 0.004, 0.005, 0.006), strict=True)
    ]
    load = fit_load(busy, "pi")
    assert load.factor == pytest.approx(1.1)
    assert load.fixed_s == pytest.approx(0.0002)
    assert load.byte_s == pytest.approx(2e-9)
    # The server never does.
    assert fit_load(busy, "server").factor == 1.0


def test_a_fast_cell_is_run_more_often_than_a_slow_one(profile: Profile) -> None:
    """Else the requests that find caches cold would be most of them, and all predictions too slow."""
    stages = {name: stage_s(device) for name, device in profile.devices.items()}
    pair = (*profile.devices,)[:2]
    whole_s = stages[pair[0]][0, -1]

    def short_run(whole: float, depth: int) -> ShortRun:
        scaled = {name: each * whole / whole_s for name, each in stages.items()}
        return short_run_for(profile, scaled, (pair[0], pair[1]), profile.cuts[-1], depth, delay_ms=0.0)

    for depth in (1, 4):
        fast, slow = short_run(0.001, depth), short_run(0.1, depth)
        assert fast.requests > 5 * slow.requests
        assert fast.warmup > 5 * slow.warmup
        assert fast.requests * 0.001 < 1 > slow.requests * 0.1 / depth


@pytest.mark.parametrize(
    ("follower_s", "chosen"),
    [
        ((0.005, 0.003, 0.0021, 0.001, 0.0), (0, 1, 3, 4)),
        ((0.005, 0.0045, 0.0043, 0.0042, 0.0), (0, 1, 2, 3, 4)),
    ],
    ids=["a balanced cut between", "none but balanced ones at one side"],
)
def test_calibration_runs_where_one_device_is_clearly_the_slower_one(
    profile: Profile, tiny: Bundle, follower_s: tuple[float, ...], chosen: tuple[int, ...]
) -> None:
    """Where both take about as long, either may set the pace, and nothing is learnt of load."""
    pi = msgspec.structs.replace(profile.devices["pi"], prefix_s=(0.0, 0.001, 0.0022, 0.0044, 0.005))
    server = msgspec.structs.replace(profile.devices["server"], suffix_s=follower_s)
    unequal = msgspec.structs.replace(profile, devices={"pi": pi, "server": server})
    context: Any = SimpleNamespace(bundle=tiny)
    assert chosen_cuts(context, unequal, ("pi", "server")) == chosen
