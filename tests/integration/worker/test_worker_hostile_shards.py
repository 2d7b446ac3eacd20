"""Shards that want more than to compute: code of others, other files, all memory. The worker serves on."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.integration.labs import LabWorker
from tests.integration.worker.chains import tensor
from tests.integration.worker.conftest import StartWorker
from tests.unit.worker.tiny import WIDTH, TinyBundle, link, make_model, relu_graph, sha256
from worker.wire.control import ControlConnection
from worker.wire.errors import RequestError
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    Have,
    HopSpec,
    Infer,
    PutFile,
    PutShard,
    ShardRef,
    TensorSpec,
)


def infer(connection: ControlConnection, graph: bytes, bundle: str = "") -> bytes:
    digest = sha256(graph)
    connection.ask(PutShard(digest=digest, graph=graph))
    shard = ShardRef(digest=digest, bundle=bundle, start=0, stop=1)
    data = np.ones((1, WIDTH), np.float32).tobytes()
    return connection.ask(Infer(shard=shard, inputs=(tensor("x", 1, WIDTH),), data=(data,))).data[0]


def refused(connection: ControlConnection, graph: bytes, bundle: str = "") -> str:
    with pytest.raises(RequestError) as caught:
        infer(connection, graph, bundle)
    assert caught.value.problem().kind == "refused"
    assert "\n" not in caught.value.problem().text
    # It serves on.
    assert len(infer(connection, relu_graph())) == WIDTH * 4
    return caught.value.problem().text


def pointing_to(location: str, offset: str = "0") -> bytes:
    """y = x @ w, w from a file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", str(WIDTH * WIDTH * 4))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return make_model(helper.make_graph([node], "g", values[:1], values[1:], [weights]))


def foreign(domain: str) -> bytes:
    model = ModelProto.FromString(relu_graph())
    model.graph.node[0].domain = domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return bytes(model.SerializeToString())


def test_only_operators_that_onnx_runtime_ships(start_worker: StartWorker) -> None:
    with start_worker("pi").claim() as connection:
        for domain in ("evil.example", "ai.onnx.contrib", "com.nvidia"):
            assert "cannot be loaded" in refused(connection, foreign(domain))


def test_weights_come_from_the_bundle_alone(
    start_worker: StartWorker, tiny_bundle: TinyBundle, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(WIDTH * WIDTH * 4))
    worker = start_worker("pi", bundle=tiny_bundle)
    folder = worker.store / "bundles" / tiny_bundle.digest
    (folder / "link.bin").symlink_to(secret)
    (folder / "out").symlink_to(tmp_path)
    with worker.claim() as connection:
        assert infer(connection, pointing_to("weights.bin"), tiny_bundle.digest)
        for location in (
            str(secret),
            "../../../secret.bin",
            "link.bin",
            "out/secret.bin",
            "none.bin",
            "",
            "*/_ORT_MEM_ADDR_/*",
        ):
            assert "cannot be loaded" in refused(connection, pointing_to(location), tiny_bundle.digest)
        for offset in ("-4", "1024", "99999999999999999999", "x"):
            assert "cannot be loaded" in refused(
                connection, pointing_to("weights.bin", offset), tiny_bundle.digest
            )


def test_a_shard_without_a_bundle_reads_no_file(start_worker: StartWorker) -> None:
    # The worker's own working directory is that of the tests.
    with start_worker("pi").claim() as connection:
        for location in ("README.md", "./README.md", str(Path("README.md").absolute())):
            assert "cannot be loaded" in refused(connection, pointing_to(location))


def test_bytes_of_another_format_are_no_shard(start_worker: StartWorker) -> None:
    with start_worker("pi").claim() as connection:
        for graph in (b"", b"\x08\x00\x00\x00ORTM" + bytes(200), b"PK\x03\x04" + bytes(100), b"\xff" * 1000):
            assert "cannot be loaded" in refused(connection, graph)


def test_weights_that_are_a_link_to_elsewhere(
    start_worker: StartWorker, tiny_bundle: TinyBundle, tmp_path: Path
) -> None:
    worker = start_worker("pi", bundle=tiny_bundle)
    weights = worker.store / "bundles" / tiny_bundle.digest / "weights.bin"
    weights.rename(tmp_path / "moved")
    weights.symlink_to(tmp_path / "moved")
    with worker.claim() as connection:
        told = refused(connection, pointing_to("weights.bin"), tiny_bundle.digest)
    assert "weights.bin is a symlink" in told


def sealed_manifest(worker: LabWorker, manifest: object) -> tuple[str, PutFile]:
    """A manifest that keeps its digest, sent as a whole."""
    digest = sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())
    data = json.dumps(manifest).encode()
    return digest, PutFile(
        bundle=digest, name="manifest.json", digest=sha256(data), size_bytes=len(data), offset=0, data=data
    )


@pytest.mark.parametrize(
    "manifest",
    [
        {"files": []},
        {"files": {"weights.bin": 3}},
        {"files": {"weights.bin": {"digest": 7, "size_bytes": 0}}},
        {"files": {"weights.bin": {"digest": "0" * 64, "size_bytes": "0"}}},
        {"files": {}, "shards": []},
        {"files": {}, "shards": {"0-1": ["x"]}},
    ],
)
def test_a_manifest_of_another_form_does_no_lasting_harm(start_worker: StartWorker, manifest: object) -> None:
    worker = start_worker("pi")
    _, put = sealed_manifest(worker, manifest)
    with worker.claim() as connection:
        with pytest.raises(RequestError, match="is not a bundle's manifest") as caught:
            connection.ask(put)
        assert caught.value.problem().kind == "refused"
        assert connection.ask(Have(shards=("0" * 64,))).shards == ("0" * 64,)
    assert not list(worker.store.rglob("*.partial"))


def test_json_that_is_deeper_than_anybody_reads(start_worker: StartWorker) -> None:
    data = b"[" * 200_000
    put = PutFile(
        bundle="0" * 64,
        name="manifest.json",
        digest=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        offset=0,
        data=data,
    )
    with start_worker("pi").claim() as connection, pytest.raises(RequestError, match="is not JSON"):
        connection.ask(put)


def test_more_than_there_is_memory_is_refused_before_it_is_taken(
    start_worker: StartWorker, tiny_bundle: TinyBundle
) -> None:
    hop = HopSpec(shard=tiny_bundle.ref(0, 1), inlet="in", outlet="out")
    good = BuildPipeline(
        name="p", depth=2, links=(link("in", 0, 1, port=1), link("out", 1, 1, port=1)), hops=(hop,)
    )
    replace = msgspec.structs.replace
    baseline = Baseline(shard=tiny_bundle.ref(0, 4), inputs=(tensor("x", 1, WIDTH),), requests=1)
    with start_worker("pi", bundle=tiny_bundle).claim() as connection:
        for shape, told in (
            ((2**31, WIDTH), "pipeline p at depth 4096: needs .* MB, but this device has"),
            ((2**32 - 1, 2**32 - 1), "a link carries at most"),
            ((2**32 - 1,) * 16, "a link carries at most"),
        ):
            huge = TensorSpec(name="x", dtype="float32", shape=shape)
            links = (replace(good.links[0], tensors=(huge,)), good.links[1])
            with pytest.raises(RequestError, match=told):
                connection.ask(replace(good, links=links, depth=4096))
        with pytest.raises(RequestError, match="the inputs of a baseline: needs .* MB, but this device has"):
            connection.ask(
                replace(baseline, inputs=(TensorSpec(name="x", dtype="float64", shape=(2**31, 64)),))
            )
        connection.ask(good)
        connection.ask(baseline)
