"""Codecs between real workers: answers as right as promised, bytes and times recorded, nonsense refused."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.integration.worker.conftest import StartChain, StartWorker
from tests.unit.worker.tiny import SAMPLES, TinyBundle, link, make_bundle, tensors
from worker.endpoint import Samples, StandaloneEndpoint
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.codecs import parse_codec
from worker.wire.control import receive_message, send_message
from worker.wire.errors import RequestError
from worker.wire.frames import HEADER_BYTES, LinkLayout
from worker.wire.joining import open_data_connection
from worker.wire.messages import (
    BuildPipeline,
    Done,
    Emulation,
    EndpointSpec,
    HopSpec,
    JoinLink,
    LinkSpec,
    OpenLinks,
    Query,
    Records,
    Run,
    SentBytes,
    TakeRecords,
)
from worker.wire.stream import SocketStream

WIDTH = 256
REQUESTS = 32
DEPTH = 4
# Of the answer's own maximum; what a wrong decode gives is far above.
ALLOWED = {
    "fp16": 2e-3,
    "uint8": 5e-2,
    "uint8+zstd": 5e-2,
    "zfp:0.001": 1e-3,
    "lz4": 1e-6,
    "zstd": 1e-6,
    "zstd:19": 1e-6,
}


@pytest.fixture(scope="module")
def wide_bundle() -> TinyBundle:
    return make_bundle(width=WIDTH)


@pytest.mark.parametrize("emulation", [None, Emulation(delay_ms=1, rate_mbit=1000)])
def test_answers_come_back_right_and_what_the_codec_did_is_recorded(
    start_chain: StartChain, wide_bundle: TinyBundle, emulation: Emulation | None
) -> None:
    chain = start_chain(2, wide_bundle)
    for codec, allowed_error in ALLOWED.items():
        chain.build([2], batch=4, depth=DEPTH, codec=codec, allowed_error=allowed_error, emulation=emulation)

        done = chain.first.ask(Run(requests=REQUESTS, warmup=3))

        assert done.checked == REQUESTS
        # Lossy codecs did lose something: they were really in the way.
        lossless = parse_codec(codec).lossless
        assert done.worst_error <= 1e-6 if lossless else done.worst_error > 1e-6
        _check_records([connection.ask(TakeRecords()) for connection in chain.connections], lossless)


def _check_records(records: list[Records], lossless: bool) -> None:
    payloads = (("link1", 2 * 4 * WIDTH * 4), ("link2", 4 * WIDTH * 4))
    for each, (name, payload_bytes) in zip(records, payloads, strict=True):
        (sent,) = each.sent
        assert (sent.link, sent.requests) == (name, REQUESTS + 2 * DEPTH - 1)
        assert 0 < sent.encoded_bytes <= sent.requests * payload_bytes
        assert lossless or sent.encoded_bytes < 0.75 * sent.requests * payload_bytes
    first, second = (rows_of(each.hops[0].rows, HOP) for each in records)
    assert (first["encode_s"] > 0).all()
    assert (first["decode_s"] == 0).all()
    assert (second["encode_s"] > 0).all()
    assert (second["decode_s"] > 0).all()
    assert all((rows[name] >= 0).all() for rows in (first, second) for name in HOP.names or ())
    ends = rows_of(records[0].endpoint, ENDPOINT)
    assert (ends["decode_s"] > 0).all()
    assert (ends["encode_s"] == 0).all()


def test_a_codec_that_makes_it_longer_is_passed_over_and_counted(
    start_chain: StartChain, wide_bundle: TinyBundle
) -> None:
    chain = start_chain(2, wide_bundle)
    # The wide cut has a, half of it zeros, and b, which is noise to lz4.
    chain.build([2], depth=1, codec="lz4")
    chain.first.ask(Run(requests=REQUESTS))
    (sent,) = chain.first.ask(TakeRecords()).sent
    # One more warms up.
    assert sent.sent_raw == sent.requests == REQUESTS + 1
    assert sent.requests * WIDTH * 4 < sent.encoded_bytes < sent.requests * WIDTH * 8


def test_an_emulated_link_is_charged_what_is_sent(start_chain: StartChain, wide_bundle: TinyBundle) -> None:
    chain = start_chain(2, wide_bundle)
    chain.build([1], codec="uint8", allowed_error=1, emulation=Emulation(rate_mbit=1))
    chain.first.ask(Run(requests=10))
    rows = rows_of(chain.first.ask(TakeRecords()).hops[0].rows, HOP)
    frame_bits = (HEADER_BYTES + 10 + 8 + 16 + WIDTH + 66) * 8
    assert rows["send_s"] == pytest.approx(frame_bits / 1e6)


def test_the_source_encodes_what_it_sends_itself(start_worker: StartWorker, wide_bundle: TinyBundle) -> None:
    worker = start_worker("server", bundle=wide_bundle)
    with StandaloneEndpoint() as source, worker.claim() as connection:
        there = msgspec.structs.replace(link("there", 0, 1, port=worker.data_port, width=WIDTH), codec="fp16")
        back = msgspec.structs.replace(link("back", 4, 1, port=source.data_port, width=WIDTH), codec="uint8")
        hop = HopSpec(shard=wide_bundle.ref(0, 4), inlet="there", outlet="back")
        connection.ask(BuildPipeline(name="p", depth=2, links=(there, back), hops=(hop,)))
        samples = Samples({"x": wide_bundle.inputs}, {"y": wide_bundle.answers})
        ends = EndpointSpec(bundle="", outlet="there", inlet="back", batch=1, allowed_error=0.05)
        source.build("p", [there, back], 2, endpoint=ends, samples=samples)
        connection.ask(OpenLinks())
        source.open_links()

        assert source.run(Run(requests=REQUESTS)).checked == REQUESTS

        rows = source.take_rows()
        # Two fill the pipeline. Whether one more is in flight with the last that counts is chance: the
        # source has a thread of its own, and sends no more once that one is back.
        assert len(rows) in (REQUESTS + 2, REQUESTS + 3)
        assert source.take_sent() == (
            SentBytes(link="there", requests=len(rows), encoded_bytes=len(rows) * WIDTH * 2, sent_raw=0),
        )
        assert (rows["encode_s"] > 0).all()
        assert (rows["decode_s"] > 0).all()


def test_an_error_beyond_what_is_allowed_voids_the_run(
    start_chain: StartChain, wide_bundle: TinyBundle
) -> None:
    chain = start_chain(2, wide_bundle)
    chain.build([2], codec="uint8")
    with pytest.raises(RequestError, match=r"y differs .* \(at most 0.0001 is allowed\)"):
        chain.first.ask(Run(requests=SAMPLES))


def test_a_worker_says_which_codecs_it_lacks_and_refuses_them(
    start_worker: StartWorker, tiny_bundle: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['cramjam'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(without))
    worker = start_worker("pi", bundle=tiny_bundle)
    with worker.claim() as connection:
        info = connection.ask(Query())
        assert info.codecs == ("none", "fp16", "uint8", "zfp")
        with pytest.raises(RequestError, match="lacks codec zstd, which needs the package cramjam there"):
            connection.ask(_half_pipeline(tiny_bundle, worker.data_port, "zstd:3"))
        with pytest.raises(RequestError, match="'zfp:tight': the tolerance is not a number"):
            connection.ask(_half_pipeline(tiny_bundle, worker.data_port, "zfp:tight"))
        connection.ask(_half_pipeline(tiny_bundle, worker.data_port, "zfp:0.1"))


def _half_pipeline(bundle: TinyBundle, port: int, codec: str) -> BuildPipeline:
    """A stage whose neighbours we play ourselves."""
    links = (
        msgspec.structs.replace(link("in", 0, 1, port=port), codec=codec),
        link("out", 1, 1, port=1),
    )
    hop = HopSpec(shard=bundle.ref(0, 1), inlet="in", outlet="out")
    return BuildPipeline(name="p", depth=2, links=links, hops=(hop,))


def test_a_link_that_stays_on_a_device_takes_no_codec(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    middle = LinkSpec(name="middle", tensors=tensors(1, 1), codec="fp16")
    links = (link("in", 0, 1, port=worker.data_port), middle, link("out", 2, 1, port=1))
    hops = (
        HopSpec(shard=tiny_bundle.ref(0, 1), inlet="in", outlet="middle"),
        HopSpec(shard=tiny_bundle.ref(1, 2), inlet="middle", outlet="out"),
    )
    with worker.claim() as connection, pytest.raises(RequestError, match="cannot use codec fp16"):
        connection.ask(BuildPipeline(name="p", depth=1, links=links, hops=hops))


GARBAGE = [
    ("zstd", 40, b"\xff" * 40, "sent a tensor that cannot be decoded"),
    ("lz4", 40, b"\xff" * 40, "sent a tensor that cannot be decoded"),
    ("uint8", 40, bytes(40), "sent a tensor that cannot be decoded"),
    ("uint8", 32, b"\xff" * 32, "sent a quantized tensor whose scale is not a number"),
    ("fp16", 65, b"", "sent a tensor of 65 bytes where the link allows 64"),
    ("zstd", 2**64 - 1, b"", "where the link allows 64"),
    ("zfp:1", 0, b"", "sent a tensor of 0 bytes"),
]


def test_garbage_closes_the_connection_with_a_word_and_the_worker_lives_on(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    with worker.claim() as connection:
        for codec, length, payload, told in GARBAGE:
            connection.ask(_half_pipeline(tiny_bundle, worker.data_port, codec))
            with _joined(worker.data_port) as stream:
                stream.send([_frame(codec, length, payload)])
                last_word = bytearray(1000)
                size = stream.receive_into(memoryview(last_word))
            assert told in last_word[:size].decode(errors="replace")
            with pytest.raises(RequestError, match=f"link in: worker us .* {told}|{told}") as caught:
                connection.ask(OpenLinks())
            assert caught.value.problem().kind == "peer"
        assert connection.ask(Query()).name == "pi"


def test_garbage_in_zfp_never_leaves_its_room(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    """zfp takes any bits; what comes out is then wrong, and nothing else is."""
    worker = start_worker("pi", bundle=tiny_bundle)
    generator = np.random.default_rng(0)
    with worker.claim() as connection:
        for _ in range(5):
            connection.ask(_half_pipeline(tiny_bundle, worker.data_port, "zfp:1e-6"))
            with _joined(worker.data_port) as stream:
                for _ in range(2):
                    stream.send([_frame("zfp:1e-6", 60, generator.bytes(60))])
        assert connection.ask(Query()).name == "pi"


@contextlib.contextmanager
def _joined(port: int) -> Iterator[SocketStream]:
    with contextlib.closing(open_data_connection("127.0.0.1", port)) as stream:
        send_message(stream, JoinLink(pipeline="p", link="in", sender="us"))
        receive_message(stream, msgspec.msgpack.Decoder(Done), limit_bytes=1000)
        yield stream


def _frame(codec: str, length: int, payload: bytes) -> memoryview:
    agreed = LinkLayout(tensors(0, 1), parse_codec(codec))
    return memoryview(bytes(agreed.new_prefix()) + struct.pack("<Q", length) + payload)
