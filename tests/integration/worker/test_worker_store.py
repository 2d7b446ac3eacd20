"""What a worker keeps, and what it refuses to use."""

import pytest

from tests.integration.worker.conftest import StartWorker
from tests.unit.worker.tiny import TinyBundle, link, relu_graph, sha256
from worker.wire.control import ControlConnection
from worker.wire.errors import RequestError
from worker.wire.messages import (
    BuildPipeline,
    ClosePipeline,
    Have,
    HopSpec,
    Infer,
    PutFile,
    PutShard,
    ShardRef,
    TensorSpec,
)

FILES = ("weights.bin", "shards.zip", "samples.npz", "manifest.json")


def send(connection: ControlConnection, bundle: TinyBundle, name: str, piece_bytes: int = 300) -> None:
    data = bundle.files[name]
    for offset in range(0, len(data), piece_bytes):
        connection.ask(
            PutFile(
                bundle=bundle.digest,
                name=name,  # type: ignore[arg-type]
                digest=sha256(data),
                size_bytes=len(data),
                offset=offset,
                data=data[offset : offset + piece_bytes],
            )
        )


def load(connection: ControlConnection, bundle: TinyBundle) -> None:
    """Load the shard that needs the weights."""
    links = (link("in", 1, 1, port=1), link("out", 2, 1, port=1))
    hop = HopSpec(shard=bundle.ref(1, 2), inlet="in", outlet="out")
    connection.ask(BuildPipeline(name="p", depth=1, links=links, hops=(hop,)))


def test_a_bundle_sent_in_pieces_is_there_and_works(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    worker = start_worker("pi")
    digest = tiny_bundle.digest
    with worker.claim() as connection:
        assert connection.ask(Have(bundles=(digest,))).bundles == (digest,)
        with pytest.raises(RequestError, match="is not here") as caught:
            load(connection, tiny_bundle)
        assert caught.value.problem().kind == "missing"
        for name in FILES:
            send(connection, tiny_bundle, name)
        shard = tiny_bundle.ref(0, 2).digest
        missing = connection.ask(Have(bundles=(digest,), shards=(shard, "0" * 64)))
        assert (missing.bundles, missing.shards) == ((), ("0" * 64,))
        load(connection, tiny_bundle)
    assert not list(worker.store.rglob("*.partial"))


def test_altered_weights_are_refused(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    weights = worker.store / "bundles" / tiny_bundle.digest / "weights.bin"
    with worker.claim() as connection:
        load(connection, tiny_bundle)
        data = bytearray(weights.read_bytes())
        data[100] ^= 1
        weights.write_bytes(data)
        connection.ask(ClosePipeline())
        with pytest.raises(RequestError, match=r"weights.bin is altered.*deploy the bundle again") as caught:
            load(connection, tiny_bundle)
        assert caught.value.problem().kind == "refused"


def test_an_altered_manifest_or_shard_is_refused(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    folder = worker.store / "bundles" / tiny_bundle.digest
    with worker.claim() as connection:
        manifest = folder / "manifest.json"
        manifest.write_bytes(manifest.read_bytes().replace(b"edgecut-bundle", b"edgecut-bundlE"))
        with pytest.raises(RequestError, match=r"manifest.json is altered"):
            load(connection, tiny_bundle)
        manifest.write_bytes(tiny_bundle.files["manifest.json"])
        (worker.store / "shards" / f"{tiny_bundle.ref(1, 2).digest}.onnx").write_bytes(relu_graph())
        with pytest.raises(RequestError, match="shard 1-2 .* is altered"):
            load(connection, tiny_bundle)


def test_what_arrives_altered_is_not_kept(start_worker: StartWorker, tiny_bundle: TinyBundle) -> None:
    worker = start_worker("pi")
    with worker.claim() as connection:
        graph = relu_graph()
        with pytest.raises(RequestError, match="arrived altered"):
            connection.ask(PutShard(digest=sha256(graph), graph=graph + b"\0"))
        data = tiny_bundle.files["weights.bin"]
        put = PutFile(
            bundle=tiny_bundle.digest,
            name="weights.bin",
            digest=sha256(data),
            size_bytes=len(data),
            offset=0,
            data=data[:-1] + b"?",
        )
        with pytest.raises(RequestError, match="arrived altered"):
            connection.ask(put)
    assert [path for path in worker.store.rglob("*") if path.is_file()] == []


def test_a_self_contained_graph_needs_no_bundle(start_worker: StartWorker) -> None:
    graph = relu_graph(4)
    with start_worker("pi").claim() as connection:
        connection.ask(PutShard(digest=sha256(graph), graph=graph))
        ref = ShardRef(digest=sha256(graph), bundle="", start=0, stop=1)
        spec = TensorSpec(name="x", dtype="float32", shape=(1, 4))
        found = connection.ask(Infer(shard=ref, inputs=(spec,), data=(bytes(16),)))
        assert found.data == (bytes(16),)


def test_a_graph_that_onnx_runtime_does_not_take(start_worker: StartWorker) -> None:
    graph = b"this is no graph"
    with start_worker("pi").claim() as connection:
        connection.ask(PutShard(digest=sha256(graph), graph=graph))
        ref = ShardRef(digest=sha256(graph), bundle="", start=0, stop=1)
        spec = TensorSpec(name="x", dtype="float32", shape=(1, 4))
        with pytest.raises(RequestError, match="cannot be loaded") as caught:
            connection.ask(Infer(shard=ref, inputs=(spec,), data=(bytes(16),)))
        assert caught.value.problem().kind == "refused"
        assert "\n" not in caught.value.problem().text
