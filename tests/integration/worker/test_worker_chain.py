"""Chains of real workers compute what the whole graph computes, and record it."""

import numpy as np
import pytest

from tests.integration.worker.conftest import StartChain
from tests.unit.worker.tiny import TinyBundle, make_bundle
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.errors import RequestError
from worker.wire.messages import ClosePipeline, Records, Run, TakeRecords


def test_two_workers_give_the_right_answers_and_a_row_per_request_and_hop(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], depth=4)

    done = chain.first.ask(Run(requests=50, warmup=7))

    assert done.checked == 52
    assert done.worst_error <= 1e-6
    records = [connection.ask(TakeRecords()) for connection in chain.connections]
    latency = rows_of(records[0].endpoint, ENDPOINT)
    # Seven warm up, and three are in flight with the last that counts.
    assert latency["request"].tolist() == list(range(7 + 52 + 3))
    assert latency["request"][latency["counted"] == 1].tolist() == list(range(7, 59))
    assert (latency["latency_s"] == latency["finished_at_s"] - latency["scheduled_at_s"]).all()
    assert (latency["latency_s"] > 0).all()
    assert done.elapsed_s == latency["finished_at_s"][58] - latency["finished_at_s"][6]
    hops = [hop for each in records for hop in each.hops]
    assert [(hop.start, hop.stop) for hop in hops] == [(0, 1), (1, 4)]
    for hop in hops:
        rows = rows_of(hop.rows, HOP)
        assert rows["request"].tolist() == latency["request"].tolist()
        assert (np.diff(rows["received_at_s"]) > 0).all()
        assert all((rows[name] >= 0).all() for name in HOP.names or ())
    assert records[1].endpoint == b""


def test_network_share_is_what_hops_do_not_account_for(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], depth=1)
    chain.first.ask(Run(requests=20))

    records = [connection.ask(TakeRecords()) for connection in chain.connections]

    total = rows_of(records[0].endpoint, ENDPOINT)["latency_s"].copy()
    for each in records:
        for hop in each.hops:
            rows = rows_of(hop.rows, HOP)
            for name in ("wait_compute_s", "decode_s", "compute_s", "encode_s"):
                total -= rows[name]
    assert (total > 0).all()


@pytest.mark.parametrize("cuts", [[2], [1, 2], [1, 2, 3]])
def test_wide_cuts_and_longer_chains_and_batches(
    start_chain: StartChain, tiny_bundle: TinyBundle, cuts: list[int]
) -> None:
    chain = start_chain(len(cuts) + 1, tiny_bundle)
    for batch in (1, 4, 7):
        chain.build(cuts, depth=3, batch=batch)
        assert chain.first.ask(Run(requests=25, warmup=3)).checked == 27


def test_all_on_the_first_device(start_chain: StartChain, tiny_bundle: TinyBundle) -> None:
    chain = start_chain(1, tiny_bundle)
    chain.build([], depth=2)
    assert chain.first.ask(Run(requests=20)).checked == 20


def test_a_pipeline_is_run_again_and_records_are_of_the_last_run(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([2], depth=1)
    chain.first.ask(Run(requests=30))
    chain.first.ask(Run(requests=10))

    records = [connection.ask(TakeRecords()) for connection in chain.connections]

    assert [len(rows_of(each.hops[0].rows, HOP)) for each in records] == [11, 11]
    assert len(rows_of(records[0].endpoint, ENDPOINT)) == 11
    assert _is_empty(chain.first.ask(TakeRecords()))


def test_every_split_one_after_the_other_on_the_same_workers(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    for cut in (1, 2, 3, 1):
        chain.build([cut], depth=2)
        assert chain.first.ask(Run(requests=10)).checked == 10
        for connection in chain.connections:
            connection.ask(ClosePipeline())


def test_a_wrong_answer_voids_the_run_and_says_which(start_chain: StartChain) -> None:
    chain = start_chain(2, make_bundle(wrong_answer_at=2))
    chain.build([1])

    with pytest.raises(RequestError, match="request 2 is wrong: y differs") as caught:
        chain.first.ask(Run(requests=20))

    assert caught.value.problem().kind == "mismatch"
    chain.build([2], check_every=0)
    assert chain.first.ask(Run(requests=20)).checked == 0


def test_check_every_checks_that_many(start_chain: StartChain, tiny_bundle: TinyBundle) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], check_every=4)
    assert chain.first.ask(Run(requests=10)).checked == 3


def _is_empty(records: Records) -> bool:
    return not records.endpoint and not any(hop.rows for hop in records.hops)
