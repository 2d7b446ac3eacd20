"""A trial's figures, checked against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.data.trial_metrics import measure
from analysis.errors import ResultsError
from controller.results import Hop, Link, Trial
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


def test_a_time_alone_that_does_not_fit_leaves_busy_and_the_bottleneck_unknown(trial: Trial) -> None:
    hops = replace(trial.hops[0], alone_s=None), trial.hops[1]
    figures = measure(replace(trial, hops=hops), 1)
    assert [hop.busy for hop in figures.hops] == [None, pytest.approx(0.6)]
    assert [hop.bubble for hop in figures.hops] == [None, pytest.approx(0.4)]
    assert (figures.bottleneck, figures.bottleneck_share) == (None, None)
    assert figures.hops[0].occupied == pytest.approx(0.8)


def test_what_is_longest_in_use_is_the_bottleneck(trial: Trial) -> None:
    figures = measure(trial, 1)
    assert figures.bottleneck == "pi"  # busy 0.7, against 0.6 of the server and 0.3 of the link
    slow = trial.records[0].copy()
    slow["send_s"] = 0.0045
    assert measure(replace(trial, hop_rows=(slow, trial.records[1])), 1).bottleneck == "pi -> server"


def test_stages_of_one_device_are_told_apart_and_share_the_way_between_two(trial: Trial) -> None:
    hops: tuple[Hop, ...] = (
        Hop("pi", 0, 2, 1, 0.1, 0.002),
        Hop("server", 2, 3, 1, 0.1, 0.002),
        Hop("pi", 3, 6, 1, 0.1, 0.0025),
    )
    links = (Link("pi", "pi", 9), Link("pi", "server", 800), Link("server", "pi", 40), Link("pi", "pi", 40))
    figures = measure(replace(trial, hops=hops, links=links, hop_rows=(*trial.records, trial.records[0])), 1)
    assert [hop.stage for hop in figures.hops] == ["pi (1)", "server", "pi (2)"]
    assert figures.bottleneck == "pi (2)"  # busy 0.5; the links 0.3 and 0
    hops = (*hops[:2], Hop("server", 3, 5, 1, 0.1, 0.001), Hop("pi", 5, 6, 1, 0.1, 0.001))
    links = (
        Link("pi", "server", 8),
        Link("server", "pi", 8),
        Link("pi", "server", 8),
        Link("server", "pi", 8),
    )
    records = (trial.records[0],) * 4
    # 0.3 each: both ways from pi to server together are in use for longer than any stage.
    assert measure(replace(trial, hops=hops, links=links, hop_rows=records), 1).bottleneck == "pi -> server"


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
