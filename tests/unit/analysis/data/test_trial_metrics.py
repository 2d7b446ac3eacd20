"""A trial's figures, checked against numbers worked out by hand."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from analysis.data.trial_metrics import measure
from analysis.errors import ResultsError
from controller.results import Hop, Link, LinkUse, Trial
from controller.results.metrics import IN_HOP
from worker.records import ENDPOINT, HOP


@pytest.fixture
def trial() -> Trial:
    """12 requests of 10 ms in 0.06 s, depth 2: 1 + 4 ms in one hop, 3 ms in the other, 2 ms network."""
    endpoint = np.zeros(12, ENDPOINT)
    endpoint["request"], endpoint["latency_s"], endpoint["counted"] = np.arange(12), 0.010, 1
    first, second = np.zeros(12, HOP), np.zeros(12, HOP)
    first["request"] = second["request"] = np.arange(12)
    first["wait_compute_s"], first["compute_s"], first["send_s"] = 0.001, 0.004, 0.0015
    second["compute_s"], second["receive_s"] = 0.003, 0.0016
    hops = (Hop("pi", 0, 3, 1, 0.1, 0.0035), Hop("server", 3, 6, 1, 0.1, 0.003))
    links = (Link("pi", "server", 800), Link("server", "pi", 40))
    return Trial("c", 0, "now", 0.06, 12, 0.0, hops, links, endpoint, (first, second))


def test_throughput_is_requests_times_batch_over_elapsed(trial: Trial) -> None:
    assert measure(trial, 8).throughput_per_s == pytest.approx(12 * 8 / 0.06)


def test_parts_add_up_and_what_lies_on_the_network_is_not_added(trial: Trial) -> None:
    figures = measure(trial, 1)
    own = sum(hop.means[name] for hop in figures.hops for name in IN_HOP)
    assert figures.network_s == pytest.approx(0.002)
    assert own + figures.network_s == pytest.approx(figures.latency_mean_s)


def test_busy_counts_the_time_alone_and_occupied_the_clock(trial: Trial) -> None:
    first = measure(trial, 1).hops[0]
    assert first.busy == pytest.approx(12 * 0.0035 / 0.06)
    assert first.occupied == pytest.approx(12 * 0.004 / 0.06)


def test_a_time_alone_that_does_not_fit_leaves_busy_unknown(trial: Trial) -> None:
    hops = replace(trial.hops[0], alone_s=None), trial.hops[1]
    figures = measure(replace(trial, hops=hops), 1)
    assert [hop.busy for hop in figures.hops] == [None, pytest.approx(0.6)]
    assert [hop.bubble for hop in figures.hops] == [None, pytest.approx(0.4)]
    assert figures.bottleneck is None
    assert figures.hops[0].occupied == pytest.approx(0.8)


def with_uses(trial: Trial, *uses: LinkUse | None) -> Trial:
    """With these uses of the links between devices, in their order."""
    left = iter(uses)
    links = (link if link.sender == link.receiver else replace(link, use=next(left)) for link in trial.links)
    return replace(trial, links=tuple(links))


def scheduled(share: float) -> LinkUse:
    return LinkUse("emulation", 11, 0.055, share * 0.055, 0.0, 0.0, 0.0, 0, 0.0)


def accounted(share: float, *, rwnd: float = 0.0, queued: float | None = None) -> LinkUse:
    """Frames queued for as long as the link was busy, if nothing else is said; it carried 1 Mbit/s."""
    queued = share - rwnd if queued is None else queued
    return LinkUse("kernel", 11, 0.055, share * 0.055, rwnd * 0.055, 0.0, queued * 0.055, 6875, 0.001)


def limit(trial: Trial, *uses: LinkUse | None) -> tuple[str | None, float]:
    figures = measure(with_uses(trial, *uses), 1)
    return figures.bottleneck, round(figures.bottleneck_share, 6)


def test_what_is_longest_in_use_is_the_bottleneck(trial: Trial) -> None:
    """The stages are busy for 0.7 and 0.6 of the time."""
    assert limit(trial, scheduled(0.3), scheduled(0.01)) == ("pi", 0.7)
    assert limit(trial, scheduled(0.98), scheduled(0.01)) == ("pi -> server", 0.98)
    assert limit(trial, accounted(0.98), accounted(0.01)) == ("pi -> server", 0.98)


def test_while_the_receiver_takes_no_more_a_link_is_not_what_limits(trial: Trial) -> None:
    assert limit(trial, accounted(0.98, rwnd=0.64), accounted(0.01)) == ("pi", 0.7)


def test_a_link_without_an_account_may_be_what_limits(trial: Trial) -> None:
    assert limit(trial, None, scheduled(0.01)) == (None, 0.7)
    assert measure(with_uses(trial, None, scheduled(0.01)), 1).link_use == {
        "pi -> server": None,
        "server -> pi": pytest.approx((0.01, 0.01)),
    }
    busy = replace(trial, hops=(replace(trial.hops[0], alone_s=0.0046), trial.hops[1]))
    assert limit(busy, None, scheduled(0.01)) == ("pi", 0.92)


def test_acknowledgements_leave_open_how_long_a_link_was_in_use(trial: Trial) -> None:
    """They cross a long link, or queue behind what goes the other way."""
    none = scheduled(0.0)
    figures = measure(with_uses(trial, accounted(0.9, queued=0.5), none), 1)
    assert figures.link_use["pi -> server"] == pytest.approx((0.5, 0.9))
    assert limit(trial, accounted(0.9, queued=0.5), none) == (None, 0.7)
    assert limit(trial, accounted(0.9, queued=0.8), none) == ("pi -> server", 0.8)
    assert limit(trial, accounted(0.99, queued=0.95), accounted(0.98, queued=0.0)) == ("pi -> server", 0.95)


def test_what_a_link_carried_at_its_rate_took_at_least_so_long(trial: Trial) -> None:
    long = with_uses(trial, accounted(0.99, queued=0.0), scheduled(0.0))
    for rate_mbit, least in ((1.25, 0.8), (1.0, 0.99), (0.5, 0.99)):
        links = tuple(replace(link, rate_mbit=rate_mbit) for link in long.links)
        share = measure(replace(long, links=links), 1).link_use["pi -> server"]
        assert share == pytest.approx((least, 0.99))


def test_stages_of_one_device_are_told_apart_and_share_the_way_between_two(trial: Trial) -> None:
    hops: tuple[Hop, ...] = (
        Hop("pi", 0, 2, 1, 0.1, 0.002),
        Hop("server", 2, 3, 1, 0.1, 0.002),
        Hop("pi", 3, 6, 1, 0.1, 0.0025),
    )
    links = (Link("pi", "pi", 9), Link("pi", "server", 800), Link("server", "pi", 40), Link("pi", "pi", 40))
    several = replace(trial, hops=hops, links=links, hop_rows=(*trial.records, trial.records[0]))
    figures = measure(with_uses(several, scheduled(0.3), scheduled(0.0)), 1)
    assert [hop.stage for hop in figures.hops] == ["pi (1)", "server", "pi (2)"]
    assert figures.bottleneck == "pi (2)"  # busy 0.5
    hops = (*hops[:2], Hop("server", 3, 5, 1, 0.1, 0.001), Hop("pi", 5, 6, 1, 0.1, 0.001))
    ways = (Link("pi", "server", 8), Link("server", "pi", 8))
    several = replace(trial, hops=hops, links=ways * 2, hop_rows=(trial.records[0],) * 4)
    # Both ways from pi to server together are in use for longer than any stage, which is busy for 0.4.
    back = scheduled(0.0)
    assert limit(several, scheduled(0.3), back, scheduled(0.3), back) == ("pi -> server", 0.6)
    # What the kernel accounts of two connections may be the same time.
    assert limit(several, accounted(0.3), back, accounted(0.3), back) == (None, 0.4)
    assert limit(several, accounted(0.3), back, accounted(0.65), back) == ("pi -> server", 0.65)


def test_what_the_source_sends_counts_too(trial: Trial) -> None:
    links = (Link("controller", "pi", 800), *trial.links[:1], Link("server", "controller", 40))
    fed = replace(trial, links=links)
    assert limit(fed, accounted(0.97), accounted(0.1), accounted(0.01)) == ("controller -> pi", 0.97)


def test_quantiles_without_enough_requests_are_null(trial: Trial) -> None:
    assert measure(trial, 1).latency == {"p50": pytest.approx(0.010), "p90": None, "p95": None, "p99": None}


def test_links_within_a_device_carry_no_payload(trial: Trial) -> None:
    alone = replace(trial, links=(*trial.links, Link("pi", "pi", 5000)))
    assert measure(alone, 1).payload_bytes == 840


def test_records_in_another_order_are_matched_by_request(trial: Trial) -> None:
    shuffled = replace(trial, hop_rows=(trial.records[0][::-1].copy(), trial.records[1]))
    assert measure(shuffled, 1) == measure(trial, 1)


def test_a_hop_without_all_requests_is_not_averaged_over_the_rest(trial: Trial) -> None:
    torn = replace(trial, hop_rows=(trial.records[0][:-1], trial.records[1]))
    with pytest.raises(ResultsError, match="11 requests, the endpoint of 12"):
        measure(torn, 1)


def test_what_is_set_has_no_share_in_what_a_device_or_link_changes(trial: Trial) -> None:
    """Of 2 ms on the network, delay takes 0.8 ms and 840 bytes at 8 Mbit/s 0.84 ms: 0.36 ms may vary."""
    assert measure(trial, 1).latency_shares == pytest.approx(
        {"pi": 0.4, "server": 0.3, "pi -> server": 0.1, "server -> pi": 0.1}
    )
    hops = replace(trial.hops[0], is_fixed=True), trial.hops[1]
    links = tuple(replace(link, delay_ms=0.4, rate_mbit=8.0) for link in trial.links)
    shares = measure(replace(trial, hops=hops, links=links), 1).latency_shares
    assert shares == pytest.approx({"server": 0.3, "pi -> server": 0.018, "server -> pi": 0.018})


def test_a_limit_whose_speed_is_set_has_no_share(trial: Trial) -> None:
    idle = LinkUse("kernel", 12, 0.06, 0.001, 0.0, 0.0, 0.0, 9600, 0.0)
    by_stage = with_uses(trial, idle, idle)
    assert measure(by_stage, 1).throughput_shares == {"pi": 1.0}
    hops = replace(trial.hops[0], is_fixed=True), trial.hops[1]
    assert measure(replace(by_stage, hops=hops), 1).throughput_shares == {}


@pytest.mark.parametrize("by", ["kernel", "emulation"])
def test_a_way_at_its_networks_rate_has_no_share(by: Literal["kernel", "emulation"], trial: Trial) -> None:
    """9,600 bytes take 0.058 s of 0.06 s at 1.324 Mbit/s; on a way that is slow by itself nothing is set."""
    full = LinkUse(by, 12, 0.06, 0.058, 0.0, 0.0, 0.058, 9600, 0.0)
    by_way = with_uses(trial, full, replace(full, busy_s=0.001, queued_s=0.0, carried_bytes=480))
    assert measure(by_way, 1).throughput_shares == {"pi -> server": 1.0}
    links = tuple(replace(link, rate_mbit=1.324) for link in by_way.links)
    assert measure(replace(by_way, links=links), 1).throughput_shares == {}
