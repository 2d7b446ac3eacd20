"""What controller tests share: a small real bundle, and a lab that nobody has to run."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from controller.lab import Device, Lab
from exporter.bundle import Bundle
from exporter.export import ExportSettings, export


@pytest.fixture(scope="session")
def bundles_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle `tiny`: x -> MatMul -> Relu -> MatMul -> Relu -> y, batch symbolic."""
    folder = tmp_path_factory.mktemp("bundles")
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
    source = folder / "tiny.onnx"
    onnx.save(model, source)
    export(ExportSettings(model=str(source), out=folder / "tiny", dataset="random"), lambda _line: None)
    return folder


@pytest.fixture(scope="session")
def tiny(bundles_folder: Path) -> Bundle:
    """The bundle `tiny`: 4 nodes, cut points 1 to 3, all clean."""
    return Bundle.open(bundles_folder / "tiny")


@pytest.fixture
def lab() -> Lab:
    """Three local devices with emulated links; nobody listens there."""
    return Lab(
        name="paper",
        devices=tuple(
            Device(
                name=name,
                kind="local",
                host="127.0.0.1",
                control_port=1 + 2 * i,
                data_port=2 + 2 * i,
                link="emulated",
            )
            for i, name in enumerate(("pi", "desk", "server"))
        ),
    )
