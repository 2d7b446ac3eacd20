"""The memory of a worker whose stages share weights."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.integration.worker.conftest import StartWorker
from tests.unit.worker.tiny import SAMPLES, WIDTH, TinyBundle, link, make_model, sha256
from worker.wire.control import ControlConnection
from worker.wire.messages import (
    BuildPipeline,
    EndpointSpec,
    HopSpec,
    LinkSpec,
    OpenLinks,
    Run,
    SampleTelemetry,
    TelemetrySample,
)

WEIGHTS_BYTES = 48 * 1024 * 1024
ROWS = WEIGHTS_BYTES // 4 // WIDTH
# What a stage takes beside its weights: a session, and a product of ROWS numbers.
NEAR_BYTES = 16 * 1024 * 1024


def test_weights_that_two_stages_map_count_once(start_worker: StartWorker) -> None:
    bundle = _two_stages()
    worker = start_worker("pi", bundle=bundle)
    with worker.claim() as connection:
        idle = connection.ask(SampleTelemetry()).samples[-1]
        one = _after_a_run(connection, bundle, [link("in", 0, 1), link("out", 4, 1)], [(0, 2)])
        two = _after_a_run(
            connection, bundle, [link("in", 0, 1), link("mid", 1, 1), link("out", 4, 1)], [(0, 1), (1, 2)]
        )
    # The first stage also brings ONNX Runtime's code into memory.
    assert WEIGHTS_BYTES < _memory(one) - _memory(idle) < 2 * WEIGHTS_BYTES
    assert _memory(two) == pytest.approx(_memory(one), abs=NEAR_BYTES)
    assert two.process_rss_bytes - one.process_rss_bytes == pytest.approx(WEIGHTS_BYTES, abs=NEAR_BYTES)


def _after_a_run(
    connection: ControlConnection, bundle: TinyBundle, links: list[LinkSpec], stages: list[tuple[int, int]]
) -> TelemetrySample:
    names = [spec.name for spec in links]
    hops = [
        HopSpec(shard=bundle.ref(*stage), inlet=inlet, outlet=outlet)
        for stage, inlet, outlet in zip(stages, names, names[1:], strict=False)
    ]
    endpoint = EndpointSpec(bundle=bundle.digest, outlet="in", inlet="out", batch=1, check_every=0)
    connection.ask(BuildPipeline(name="p", depth=1, links=tuple(links), hops=tuple(hops), endpoint=endpoint))
    connection.ask(OpenLinks())
    connection.ask(Run(requests=SAMPLES, timeout_s=30.0))
    return connection.ask(SampleTelemetry()).samples[-1]


def _memory(sample: TelemetrySample) -> int:
    assert sample.process_memory_bytes is not None
    return sample.process_memory_bytes


def _two_stages() -> TinyBundle:
    """Stages that multiply by one large matrix, of which the first rows make the result.

    ONNX Runtime repacks a matrix on the right of a product into memory of its own; one on the left it reads
    where it is mapped.
    """
    generator = np.random.default_rng(7)
    weights = (generator.standard_normal((ROWS, WIDTH)) / WIDTH).astype(np.float32)
    inputs = generator.standard_normal((SAMPLES, WIDTH)).astype(np.float32)
    shards = {"0-1": _stage("x", "a"), "1-2": _stage("a", "y"), "0-2": _stage("x", "y")}
    archive, samples = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, graph in shards.items():
            file.writestr(f"{name}.onnx", graph)
    arrays: dict[str, NDArray[np.float32]] = {"input.x": inputs, "answer.y": inputs}
    np.savez(samples, allow_pickle=False, **arrays)
    files = {
        "weights.bin": weights.tobytes(),
        "shards.zip": archive.getvalue(),
        "samples.npz": samples.getvalue(),
    }
    manifest = {
        "format": "edgecut-bundle/1",
        "files": {name: {"digest": sha256(data), "size_bytes": len(data)} for name, data in files.items()},
        "shards": {name: sha256(graph) for name, graph in shards.items()},
    }
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    files["manifest.json"] = json.dumps({**manifest, "digest": digest}).encode()
    return TinyBundle(files, digest, inputs, inputs, shards)


def _stage(source: str, target: str) -> bytes:
    weights = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[ROWS, WIDTH], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(WEIGHTS_BYTES))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    bounds = [
        helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("from", 0), ("to", WIDTH))
    ]
    nodes = [
        helper.make_node("Transpose", [source], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["w", "columns"], ["product"]),
        helper.make_node("Slice", ["product", "from", "to"], ["rows"]),
        helper.make_node("Transpose", ["rows"], [target], perm=[1, 0]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in (source, target)
    ]
    return make_model(helper.make_graph(nodes, source, values[:1], values[1:], [weights, *bounds]))
