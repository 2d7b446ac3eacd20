"""Emulated links and slower devices, seen from the records; and an endpoint in the controller."""

from typing import Any

import msgspec
import numpy as np
import pytest

from tests.integration.labs import LabWorker
from tests.integration.worker.chains import Chain
from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import TinyBundle, link
from worker.endpoint import Samples, StandaloneEndpoint
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.control import ControlConnection
from worker.wire.errors import MismatchError, PeerError, RequestError
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    Emulation,
    EndpointSpec,
    HopSpec,
    Infer,
    LinkSpec,
    OpenLinks,
    Query,
    Run,
    SampleTelemetry,
    TakeRecords,
    TelemetrySample,
    TensorSpec,
    TimeStages,
)


def test_an_emulated_link_delays_both_ways(start_chain: StartChain, tiny_bundle: TinyBundle) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], depth=1, emulation=Emulation(delay_ms=20))

    chain.first.ask(Run(requests=11))

    latency_s = rows_of(chain.first.ask(TakeRecords()).endpoint, ENDPOINT)["latency_s"]
    # Not twice on any way; a busy machine delays most of them.
    assert 0.040 <= latency_s.min() < 0.080


def test_several_frames_are_on_an_emulated_link_at_once(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], depth=8, emulation=Emulation(delay_ms=50))
    done = chain.first.ask(Run(requests=16))
    # Two rounds of 8 requests, 100 ms each.
    assert done.elapsed_s >= 0.2
    (hop,) = chain.connections[1].ask(TakeRecords()).hops
    # One at a time they would arrive 50 ms apart.
    apart_s = np.diff(rows_of(hop.rows, HOP)["received_at_s"])
    assert np.count_nonzero(apart_s < 0.050) > len(apart_s) / 2


def test_the_rate_of_an_emulated_link_bounds_the_throughput(
    start_chain: StartChain, tiny_bundle: TinyBundle
) -> None:
    chain = start_chain(2, tiny_bundle)
    chain.build([1], depth=4, batch=4, emulation=Emulation(rate_mbit=0.5))

    done = chain.first.ask(Run(requests=40))

    # Header, descriptor and payload fit into one segment, whose headers have 66 bytes.
    frame_bits = (24 + 10 + 4 * 16 * 4 + 66) * 8
    limit = 0.5e6 / frame_bits
    assert 40 / done.elapsed_s < 1.2 * limit
    rows = rows_of(chain.first.ask(TakeRecords()).hops[0].rows, HOP)
    assert rows["send_s"] == pytest.approx(frame_bits / 0.5e6)
    assert (rows["wait_send_s"] >= 0).all()


def test_stages_that_alternate_between_two_devices_share_one_link(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    """Nodes 0 and 2 on one device, 1 and 3 on the other: two links there, two back."""
    emulation = Emulation(rate_mbit=0.5)
    pi, server = (start_worker(name, bundle=tiny_bundle) for name in ("pi", "server"))
    batch = 4

    def to(name: str, position: int, worker: LabWorker) -> LinkSpec:
        return msgspec.structs.replace(
            link(name, position, batch, port=worker.data_port), emulation=emulation
        )

    between = (to("1", 1, server), to("2", 2, pi), to("3", 3, server), to("4", 4, pi))
    ends = EndpointSpec(bundle=tiny_bundle.digest, outlet="0", inlet="4", batch=batch)

    def hop(node: int) -> HopSpec:
        return HopSpec(shard=tiny_bundle.ref(node, node + 1), inlet=str(node), outlet=str(node + 1))

    with pi.claim() as first, server.claim() as second:
        first.ask(
            BuildPipeline(
                name="p",
                depth=8,
                links=(link("0", 0, batch), *between),
                hops=(hop(0), hop(2)),
                endpoint=ends,
            )
        )
        second.ask(BuildPipeline(name="p", depth=8, links=between, hops=(hop(1), hop(3))))
        for connection in (first, second):
            connection.ask(OpenLinks())
        done = first.ask(Run(requests=60))

    tensor_bytes, descriptor_bytes = batch * 16 * 4, 10
    # Back go link 2 with two tensors and link 4 with one; each frame is one segment.
    back_bits = 8 * (3 * (tensor_bytes + descriptor_bytes) + 2 * (24 + 66))
    limit = 0.5e6 / back_bits
    # Were only link 2 to limit it, it would be 1.5 times as fast.
    assert 60 / done.elapsed_s < 1.1 * limit


def test_a_link_inside_a_device_is_not_emulated(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    inside = link("l", 0, 1)
    emulated = type(inside)(name="l", tensors=inside.tensors, emulation=Emulation(delay_ms=1))
    hop = HopSpec(shard=tiny_bundle.ref(0, 4), inlet="l", outlet="l")
    with worker.claim() as connection, pytest.raises(RequestError, match="cannot be emulated"):
        connection.ask(BuildPipeline(name="p", depth=1, links=(emulated,), hops=(hop,)))


def test_slowdown_counts_as_compute_everywhere_and_is_stamped(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    fast = start_worker("fast", bundle=tiny_bundle)
    slow = start_worker("slow", "--slowdown", "300", bundle=tiny_bundle)
    compute_s, alone_s = {}, {}
    for worker in (fast, slow):
        with worker.claim() as connection:
            info = connection.ask(Query())
            assert info.stamp["device"] == ("native" if worker is fast else "emulated")
            baseline = Baseline(shard=tiny_bundle.ref(0, 4), inputs=link("l", 0, 1).tensors, requests=5)
            # The shortest: a busy machine delays some.
            compute_s[worker.name] = min(connection.ask(baseline).compute_s)
            build_and_run(connection, tiny_bundle)
            alone_s[worker.name] = connection.ask(TimeStages(hops=(0,))).compute_s[0]
    assert compute_s["slow"] > 30 * compute_s["fast"]
    assert alone_s["slow"] > 30 * alone_s["fast"]


def build_and_run(connection: ControlConnection, bundle: TinyBundle, **spec: Any) -> float:
    """Build a pipeline of one stage, and run some requests; returns the shortest time of computing one."""
    hop = HopSpec(shard=bundle.ref(0, 4), inlet="in", outlet="out", keeps=3, **spec)
    endpoint = EndpointSpec(bundle=bundle.digest, outlet="in", inlet="out", batch=1)
    links = (link("in", 0, 1), link("out", 4, 1))
    connection.ask(BuildPipeline(name="p", depth=1, links=links, hops=(hop,), endpoint=endpoint))
    connection.ask(OpenLinks())
    connection.ask(Run(requests=8))
    (records,) = connection.ask(TakeRecords()).hops
    return float(rows_of(records.rows, HOP)["compute_s"].min())


def test_a_slower_device_takes_a_multiple_of_the_time_that_was_fixed(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    with start_worker("slow", "--slowdown", "20", bundle=tiny_bundle).claim() as slow:
        build_and_run(slow, tiny_bundle)
        (full_speed_s,) = slow.ask(TimeStages(hops=(0,), at_full_speed=True)).compute_s
        slow.ask(Run(requests=8))
        (records,) = slow.ask(TakeRecords()).hops
        assert rows_of(records.rows, HOP)["compute_s"].min() >= 20 * full_speed_s
        assert slow.ask(TimeStages(hops=(0,))).compute_s[0] >= 20 * full_speed_s

        assert build_and_run(slow, tiny_bundle, full_speed_s=0.001) >= 20 * 0.001
        build_and_run(slow, tiny_bundle, varies=True)
        with pytest.raises(RequestError, match="hop 0 takes a time of its own in each run"):
            slow.ask(TimeStages(hops=(0,), at_full_speed=True))
        with pytest.raises(RequestError, match="there is no hop 1"):
            slow.ask(TimeStages(hops=(1,)))
        with pytest.raises(RequestError, match="a stage cannot take -1.0 s at full speed"):
            build_and_run(slow, tiny_bundle, full_speed_s=-1.0)
        with pytest.raises(RequestError, match="a stage keeps at most 1024 inputs"):
            slow.ask(
                BuildPipeline(
                    name="p",
                    depth=1,
                    links=(link("in", 0, 1), link("out", 4, 1)),
                    hops=(HopSpec(shard=tiny_bundle.ref(0, 4), inlet="in", outlet="out", keeps=1025),),
                )
            )
    with start_worker("fast", bundle=tiny_bundle).claim() as fast:
        assert build_and_run(fast, tiny_bundle, full_speed_s=1.0) < 1.0


def test_a_slower_devices_baseline_takes_as_long_as_its_stage_of_the_whole_model(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    with start_worker("slow", "--slowdown", "20", bundle=tiny_bundle).claim() as slow:
        baseline = Baseline(shard=tiny_bundle.ref(0, 4), inputs=link("l", 0, 1).tensors, requests=8)
        measured = slow.ask(baseline)
        assert measured.full_speed_s is not None
        assert min(measured.compute_s) >= 20 * measured.full_speed_s
        known = slow.ask(msgspec.structs.replace(baseline, full_speed_s=0.002))
        assert known.full_speed_s is None
        stage_s = build_and_run(slow, tiny_bundle, full_speed_s=0.002)
        assert min(known.compute_s) / stage_s == pytest.approx(1.0, rel=0.02)


def test_a_slower_device_encodes_and_decodes_slower(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    slow = start_worker("slow", "--slowdown", "300", bundle=tiny_bundle)
    chain = Chain([slow, start_worker("fast", bundle=tiny_bundle)], tiny_bundle)
    chain.build([1], codec="fp16", allowed_error=0.1)
    chain.first.ask(Run(requests=11))
    slow_records, fast_records = (each.ask(TakeRecords()) for each in chain.connections)
    chain.close()
    # One tensor of the same size goes there and back.
    slow_rows, fast_rows = (rows_of(each.hops[0].rows, HOP) for each in (slow_records, fast_records))
    results = rows_of(slow_records.endpoint, ENDPOINT)
    assert slow_rows["encode_s"].min() > 30 * fast_rows["encode_s"].min()
    assert results["decode_s"].min() > 30 * fast_rows["decode_s"].min()


def ends_of(batch: int) -> EndpointSpec:
    return EndpointSpec(bundle="", outlet="to", inlet="back", batch=batch)


def test_a_controller_source_feeds_a_pipeline(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    samples = Samples({"x": tiny_bundle.inputs}, {"y": tiny_bundle.answers})
    with StandaloneEndpoint() as source, worker.claim() as connection:
        links = (
            link("to", 0, 2, port=worker.data_port),
            link("back", 4, 2, port=source.data_port),
        )
        hop = HopSpec(shard=tiny_bundle.ref(0, 4), inlet="to", outlet="back")
        connection.ask(BuildPipeline(name="p", depth=3, links=links, hops=(hop,)))
        source.build("p", links, 3, endpoint=ends_of(2), samples=samples)
        connection.ask(OpenLinks())
        source.open_links()

        assert source.run(Run(requests=30, warmup=5)).checked == 30
        assert np.count_nonzero(source.take_rows()["counted"]) == 30

        wrong = Samples({"x": tiny_bundle.inputs}, {"y": tiny_bundle.answers[::-1].copy()})
        connection.ask(BuildPipeline(name="q", depth=1, links=links, hops=(hop,)))
        source.build("q", links, 1, endpoint=ends_of(2), samples=wrong)
        connection.ask(OpenLinks())
        source.open_links()
        with pytest.raises(MismatchError):
            source.run(Run(requests=3))


def test_a_controller_source_notices_a_lost_worker(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    samples = Samples({"x": tiny_bundle.inputs}, {"y": tiny_bundle.answers})
    with StandaloneEndpoint() as source, worker.claim() as connection:
        links = (
            link("to", 0, 1, port=worker.data_port),
            link("back", 4, 1, port=source.data_port),
        )
        hop = HopSpec(shard=tiny_bundle.ref(0, 4), inlet="to", outlet="back")
        connection.ask(BuildPipeline(name="p", depth=1, links=links, hops=(hop,)))
        source.build("p", links, 1, endpoint=ends_of(1), samples=samples)
        connection.ask(OpenLinks())
        source.open_links()
        worker.process.kill()
        with pytest.raises(PeerError, match="link (to|back)"):
            source.run(Run(requests=1_000_000))


def test_infer_answers_as_the_graph_does(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    with worker.claim() as connection:
        spec = TensorSpec(name="x", dtype="float32", shape=(2, 16))
        inputs = tiny_bundle.inputs[:2].tobytes()
        found = connection.ask(Infer(shard=tiny_bundle.ref(0, 4), inputs=(spec,), data=(inputs,)))
        assert found.tensors == (TensorSpec(name="y", dtype="float32", shape=(2, 16)),)
        result = np.frombuffer(found.data[0], np.float32).reshape(2, 16)
        np.testing.assert_allclose(result, tiny_bundle.answers[:2], rtol=1e-5, atol=1e-6)
        with pytest.raises(RequestError, match="do not match their shapes"):
            connection.ask(Infer(shard=tiny_bundle.ref(0, 4), inputs=(spec,), data=(inputs[:-1],)))


def test_telemetry_is_handed_over_once(start_worker: StartWorker) -> None:
    worker = start_worker("pi", "--telemetry-interval", "0.05")
    with worker.claim() as connection:
        samples: list[TelemetrySample] = []
        while len(samples) < 3:
            samples += connection.ask(SampleTelemetry()).samples
        at_s = [sample.at_s for sample in samples]
        assert at_s == sorted(set(at_s))
        assert all(sample.process_rss_bytes > 1_000_000 for sample in samples)


def test_who_a_worker_is(start_worker: StartWorker) -> None:
    worker = start_worker("pi", "--kind", "virtual", "--cpu", "0")
    with worker.open() as connection:
        info = connection.ask(Query())
    assert (info.name, info.kind, info.slowdown, info.data_port) == ("pi", "virtual", 1.0, worker.data_port)
    for key in ("worker_digest", "python", "numpy", "onnxruntime", "kernel", "machine", "cores"):
        assert info.stamp[key], key
    for key in ("governor", "throttled", "tcp_congestion_control", "tcp_slow_start_after_idle"):
        assert key in info.stamp
    assert info.stamp["pinned_cores"] in ("0", None)
