"""A bundle small enough to be made in a test, and the graphs in it.

x ─ Relu ─ a ─┬─ MatMul(w) ─ b ─┬─ Add ─ c ─ Neg ─ y
              └─────────────────┘
node:  0            1               2         3         cut 2 is wide: a and b cross it
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from worker.wire.messages import LinkSpec, ShardRef, TensorSpec

WIDTH = 16
SAMPLES = 6
CROSSING = {0: ("x",), 1: ("a",), 2: ("a", "b"), 3: ("c",), 4: ("y",)}
NODES = (
    helper.make_node("Relu", ["x"], ["a"]),
    helper.make_node("MatMul", ["a", "w"], ["b"]),
    helper.make_node("Add", ["a", "b"], ["c"]),
    helper.make_node("Neg", ["c"], ["y"]),
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shard_graph(start: int, stop: int, *, width: int = WIDTH, with_passed_on: bool = True) -> bytes:
    """The shard [start, stop); its weights are in weights.bin."""
    nodes = NODES[start:stop]
    made = {name for node in nodes for name in node.output}
    used = {name for node in nodes for name in node.input}
    inputs = [name for name in CROSSING[start] if with_passed_on or name in used]
    outputs = [name for name in CROSSING[stop] if with_passed_on or name in made]
    graph = helper.make_graph(
        nodes,
        f"{start}-{stop}",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in outputs],
        [_weights(width)] if "w" in used else [],
    )
    return make_model(graph)


def make_model(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def relu_graph(width: int = WIDTH) -> bytes:
    """A graph that needs no bundle."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in "xy"]
    return make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [values[0]], [values[1]])
    )


def slow_graph(width: int, rounds: int) -> bytes:
    """Takes a while: many multiplications by one matrix, scaled so that nothing grows."""
    nodes, last = [], "x"
    for index in range(rounds):
        name = "y" if index == rounds - 1 else f"t{index}"
        nodes.append(helper.make_node("MatMul", [last, "m"], [name]))
        last = name
    matrix = np.eye(width, dtype=np.float32)
    initializer = helper.make_tensor("m", TensorProto.FLOAT, (width, width), matrix.tobytes(), raw=True)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in "xy"]
    return make_model(helper.make_graph(nodes, "slow", [values[0]], [values[1]], [initializer]))


def _weights(width: int) -> onnx.TensorProto:
    tensor = onnx.TensorProto()
    tensor.name = "w"
    tensor.data_type = TensorProto.FLOAT
    tensor.dims.extend([width, width])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(width * width * 4))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def tensors(position: int, batch: int, width: int = WIDTH) -> tuple[TensorSpec, ...]:
    """What crosses a cut point."""
    return tuple(TensorSpec(name=name, dtype="float32", shape=(batch, width)) for name in CROSSING[position])


def link(name: str, position: int, batch: int, *, port: int | None = None, width: int = WIDTH) -> LinkSpec:
    """A link over a cut point; in-process without a port."""
    host = None if port is None else "127.0.0.1"
    return LinkSpec(name=name, tensors=tensors(position, batch, width), host=host, port=port)


@dataclass(frozen=True)
class TinyBundle:
    """Files of a bundle by name, and its digest."""

    files: dict[str, bytes]
    digest: str
    inputs: NDArray[np.float32]
    answers: NDArray[np.float32]
    shards: dict[str, bytes] = field(default_factory=dict)

    def ref(self, start: int, stop: int) -> ShardRef:
        digest = sha256(self.shards[f"{start}-{stop}"])
        return ShardRef(digest=digest, bundle=self.digest, start=start, stop=stop)

    def write_to(self, store: Path) -> Path:
        """Put it where a worker expects it; returns the folder."""
        folder = store / "bundles" / self.digest
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder


def make_bundle(*, width: int = WIDTH, wrong_answer_at: int | None = None) -> TinyBundle:
    """The bundle of the graph above, with every shard in shards.zip."""
    generator = np.random.default_rng(7)
    weights = generator.standard_normal((width, width)).astype(np.float32)
    inputs = generator.standard_normal((SAMPLES, width)).astype(np.float32)
    a = np.maximum(inputs, 0)
    answers = -(a + a @ weights)
    if wrong_answer_at is not None:
        answers[wrong_answer_at, 3] += 0.01
    ranges = [(start, stop) for start in range(4) for stop in range(start + 1, 5)]
    shards = {f"{start}-{stop}": shard_graph(start, stop, width=width) for start, stop in ranges}
    archive, samples = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, graph in shards.items():
            file.writestr(f"{name}.onnx", graph)
    np.savez(samples, allow_pickle=False, **{"input.x": inputs, "answer.y": answers})
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
    digest = sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())
    files["manifest.json"] = json.dumps({**manifest, "digest": digest}).encode()
    return TinyBundle(files, digest, inputs, answers, shards)
