"""Bundles small enough to be exported in a test."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["export_tiny"]


def export_tiny(folder: Path) -> None:
    """Export `tiny` into a folder: x -> MatMul -> Relu -> MatMul -> Relu -> y, batch symbolic."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
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
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    # Here and not above: it brings torch, which most tests do without.
    from exporter.export import ExportSettings, export  # noqa: PLC0415 - see above

    source = folder / "tiny.onnx"
    onnx.save(model, source)
    export(ExportSettings(model=str(source), out=folder / "tiny", dataset="random"), lambda _line: None)
