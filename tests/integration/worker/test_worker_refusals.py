"""What a worker is asked and cannot do: one line that says why, and the next pipeline is built."""

from pathlib import Path

import msgspec
import pytest
from onnx import TensorProto, helper

from tests.integration.waiting import wait_until
from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import WIDTH, TinyBundle, link, make_model, sha256
from worker.wire.errors import RequestError
from worker.wire.messages import (
    BuildPipeline,
    Claim,
    EndpointSpec,
    HopSpec,
    LoadSpec,
    PutShard,
    Query,
    Run,
    ShardRef,
)


def whole(bundle: TinyBundle, *, batch: int = 1) -> BuildPipeline:
    """The whole model on one device."""
    hop = HopSpec(shard=bundle.ref(0, 4), inlet="in", outlet="out")
    ends = EndpointSpec(bundle=bundle.digest, outlet="in", inlet="out", batch=batch)
    return BuildPipeline(
        name="p", depth=2, links=(link("in", 0, 1), link("out", 4, 1)), hops=(hop,), endpoint=ends
    )


def test_a_pipeline_that_cannot_be_is_refused_in_one_line(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    good = whole(tiny_bundle)
    (hop,), ends = good.hops, good.endpoint
    assert ends is not None
    replace = msgspec.structs.replace
    no_such = ShardRef(digest="0" * 64, bundle=tiny_bundle.digest, start=0, stop=9)
    wrong: list[tuple[BuildPipeline, str]] = [
        (replace(good, depth=0), "depth 0 .1 to 4096."),
        (replace(good, depth=5000), "depth 5000 .1 to 4096."),
        (replace(good, endpoint=replace(ends, batch=0)), "batch 0"),
        (replace(good, endpoint=replace(ends, batch=2)), "input x"),
        (replace(good, hops=(replace(hop, threads=0),)), "at least one thread, not 0"),
        (replace(good, hops=(replace(hop, shard=no_such),)), "shard 0-9 .* is not here"),
        (replace(good, hops=(hop, hop)), "a link has two stages at one end"),
        (
            replace(good, links=(link("in", 0, 1), link("out", 4, 1, width=8))),
            r"answer y .* but the link carries",
        ),
        (
            replace(good, links=(link("in", 1, 1), link("out", 4, 1))),
            "input|answer|needs x",
        ),
        (replace(good, links=(link("in", 0, 1),)), "link out is used but not described"),
    ]
    with start_worker("pi", bundle=tiny_bundle).claim() as connection:
        for build, reason in wrong:
            with pytest.raises(RequestError, match=reason) as caught:
                connection.ask(build)
            assert caught.value.problem().kind in ("refused", "missing", "failed"), reason
            assert "\n" not in caught.value.problem().text
        connection.ask(good)


def test_a_batch_that_the_graph_does_not_take(
    start_worker: StartWorker, tiny_bundle: TinyBundle, tmp_path: Path
) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, WIDTH]) for name in "xy"]
    of_two = make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "two", values[:1], values[1:])
    )
    shard = ShardRef(digest=sha256(of_two), bundle="", start=0, stop=4)
    hop = HopSpec(shard=shard, inlet="in", outlet="out")
    with start_worker("pi", bundle=tiny_bundle).claim() as connection:
        connection.ask(PutShard(digest=shard.digest, graph=of_two))
        for batch in (1, 2):
            links = (link("in", 0, batch, port=1), link("out", 4, batch, port=1))
            build = BuildPipeline(name="p", depth=1, links=links, hops=(hop,))
            if batch == 2:
                connection.ask(build)
                continue
            with pytest.raises(RequestError, match=r"shard 0-4 .*: x has shape \[2, 16\], not \[1, 16\]"):
                connection.ask(build)


def test_a_run_that_cannot_be_is_refused_and_the_next_goes_through(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([2])
    for run, reason in (
        (Run(requests=0), "0 requests"),
        (Run(requests=5, warmup=-1), "-1"),
        (Run(requests=5, load=LoadSpec(kind="poisson", rate_per_s=0.0)), "rate above 0 requests/s"),
        (Run(requests=5, duration_s=0.0), "0"),
    ):
        with pytest.raises(RequestError, match=reason) as caught:
            chain.first.ask(run)
        assert caught.value.problem().kind == "refused"
    assert chain.first.ask(Run(requests=8)).checked == 8


def test_the_second_controller_hears_who_is_first(start_worker: StartWorker) -> None:
    worker = start_worker("pi")
    first = worker.claim("alice@desk")
    with worker.open() as second:
        with pytest.raises(RequestError, match="worker pi is held by alice@desk, for 0 s so far") as caught:
            second.ask(Claim(holder="bob"))
        assert caught.value.problem().kind == "busy"
        info = second.ask(Query())
        assert (info.holder, info.held_s is not None) == ("alice@desk", True)
        first.close()
        wait_until(lambda: second.ask(Query()).holder is None)
        second.ask(Claim(holder="bob"))


def test_work_needs_a_claim(start_worker: StartWorker) -> None:
    with start_worker("pi").open() as connection, pytest.raises(RequestError, match="needs a claim"):
        connection.ask(Run(requests=1))
