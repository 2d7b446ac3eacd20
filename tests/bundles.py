"""Bundles small enough to be exported in a test."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["export_expanding", "export_looping", "export_tiny"]


def export_tiny(folder: Path, *, seed: int = 0) -> None:
    """Export `tiny` into a folder: x -> MatMul -> Relu -> MatMul -> Relu -> y, batch symbolic.

    Args:
        seed: Of its weights.
    """
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((8, 8)).astype(np.float32) for _ in range(2)]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], name="block.0/matmul"),
        helper.make_node("Relu", ["a"], ["b"], name="block.0/relu"),
        helper.make_node("MatMul", ["b", "w1"], ["c"], name="block.1/matmul"),
        helper.make_node("Relu", ["c"], ["y"], name="block.1/relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)],
    )
    _export(folder, graph)


def export_expanding(folder: Path) -> None:
    """Export `expanding`: its last node but one expands to a shape, which each shard makes itself."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Shape", ["a"], ["shape"]),
        helper.make_node("ReduceMax", ["a", "axes"], ["most"], keepdims=1),
        helper.make_node("Expand", ["most", "shape"], ["wide"]),
        helper.make_node("Add", ["a", "wide"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "expanding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    _export(folder, graph)


def export_looping(folder: Path) -> None:
    """Export `looping`, of batch 1: some hundred rounds of a loop, as many as each sample says.

    x -> Abs -> ReduceMax -> Mul(200) -> Cast(int64) -> trips -> Loop(x) -> y
    """
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("MatMul", ["before", "w"], ["product"]),
            helper.make_node("Tanh", ["product"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [1, 64]),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [1, 64]),
        ],
    )
    nodes = [
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("ReduceMax", ["size", "axes"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "many"], ["rounds"]),
        helper.make_node("Cast", ["rounds"], ["trips"], to=TensorProto.INT64),
        helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body),
    ]
    rng = np.random.default_rng(0)
    graph = helper.make_graph(
        nodes,
        "looping",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
            numpy_helper.from_array(np.array([200], np.float32), "many"),
            numpy_helper.from_array(rng.standard_normal((64, 64)).astype(np.float32), "w"),
        ],
    )
    _export(folder, graph)


def _export(folder: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    # Here and not above: it brings torch, which most tests do without.
    from exporter.export import ExportSettings, export  # noqa: PLC0415 - see above

    source = folder / f"{graph.name}.onnx"
    onnx.save(model, source)
    export(ExportSettings(model=str(source), out=folder / graph.name, dataset="random"), lambda _line: None)
