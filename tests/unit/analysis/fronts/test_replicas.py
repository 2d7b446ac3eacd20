"""Replicas, of planted baselines and links."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from analysis.data.sweep import Baseline, Network, Sweep
from analysis.fronts.replicas import replicas_of
from analysis.statistics.estimates import estimate
from controller.results import DeviceRow, MeasuredLink
from tests.unit.analysis.synthetic import BUNDLE, CELL

LAN = Network("lan", "emulated", {"rate_mbit": None})
INPUT_BYTES = 12_500


def sweep(
    *,
    server_per_s: float | None = 200.0,
    input_bytes: int | None = INPUT_BYTES,
    links: tuple[MeasuredLink, ...] = (),
) -> Sweep:
    rates = {"pi": 50.0} | ({} if server_per_s is None else {"server": server_per_s})
    made = SimpleNamespace(
        baselines=tuple(
            Baseline("m", "lan", BUNDLE, device, 1, 1, estimate([1 / rate] * 3), estimate([rate] * 3))
            for device, rate in rates.items()
        ),
        devices=tuple(DeviceRow(name, "local", 1.0, {}) for name in ("pi", "server")),
        links=links,
        input_bytes=lambda _bundle: input_bytes,
    )
    return cast(Sweep, made)


@pytest.mark.parametrize(
    ("requested", "per_s"),
    [
        ({"rate_mbit": None}, 250.0),
        # 10 Mbit/s carry a hundred inputs a second.
        ({"rate_mbit": 10.0}, 150.0),
        ({"forward": {"rate_mbit": 10.0}, "backward": {"rate_mbit": 1.0}}, 150.0),
        ({"rate_mbit": 1000.0, "pairs": {"pi -> server": {"rate_mbit": 5.0}}}, 100.0),
    ],
)
def test_replicas_are_the_sum_of_the_baselines_bounded_by_the_link(
    requested: dict[str, object], per_s: float
) -> None:
    replicas = replicas_of(sweep(), replace(LAN, requested=requested), CELL)
    assert replicas is not None
    assert replicas.devices == ("pi", "server")
    assert replicas.throughput_per_s == pytest.approx(per_s)


@pytest.mark.parametrize("as_is", [Network("lan", "none", {}), Network("lan", "tc", {"delay_ms": 5.0})])
def test_a_link_whose_rate_is_as_it_is_counts_as_it_was_measured(as_is: Network) -> None:
    assert replicas_of(sweep(), as_is, CELL) is None
    link = MeasuredLink("lan", "pi", "server", {}, {"tcp_mbit": 10.0}, "then")
    replicas = replicas_of(sweep(links=(link,)), as_is, CELL)
    assert replicas is not None and replicas.throughput_per_s == pytest.approx(150.0)


def test_what_nothing_tells_is_not_predicted() -> None:
    assert replicas_of(sweep(server_per_s=None), LAN, CELL) is None
    assert replicas_of(sweep(input_bytes=None), LAN, CELL) is None
    assert replicas_of(sweep(), LAN, replace(CELL, devices=("pi", "pi"))) is None
    assert replicas_of(sweep(), LAN, replace(CELL, source="controller")) is None
