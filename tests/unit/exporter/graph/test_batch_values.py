"""What crosses a cut is data: batch sizes, states and masks made from it, and weights' views do not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.bundle import Bundle
from exporter.bundle.chain import run_chain
from exporter.export import ExportSettings, export
from exporter.graph.batch_values import settle_shapes
from exporter.split_argument import parse_splits
from exporter.verify import verify

LAYERED = Path(__file__).parents[1] / "layered_models.py"


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    folder, made = tmp_path_factory.mktemp("layered"), dict[str, Bundle]()

    def get(name: str) -> Bundle:
        if name not in made:
            made[name] = export(ExportSettings(f"{LAYERED}:{name}", folder / name, samples=12))
        return made[name]

    return get


@pytest.mark.parametrize(
    ("model", "ends"),
    [
        ("gru", [f"layers.{i}" for i in range(5)]),
        ("norms", [f"blocks.{i}" for i in range(4)]),
        ("decoder", [f"h.{i}" for i in range(3)]),
        ("numbered", [f"body.encoder_layer_{i}" for i in range(4)]),
        ("named", ["body.first", "body.second", "body.third", "body.fourth"]),
    ],
)
def test_a_model_is_cut_cleanly_after_each_of_its_layers(
    layered: Callable[[str], Bundle], model: str, ends: list[str]
) -> None:
    bundle = layered(model)
    blocks = {bundle.label(cut): cut for cut in bundle.block_cuts()}
    assert set(ends) <= set(blocks)
    for end in ends:
        (tensor,) = bundle.tensors_at(blocks[end])
        assert tensor.dtype == "float32"
        assert "batch" in tensor.shape


@pytest.mark.parametrize("model", ["gru", "norms", "decoder", "numbered"])
def test_chains_cut_anywhere_compute_what_the_whole_does(
    layered: Callable[[str], Bundle], model: str
) -> None:
    bundle = layered(model)
    assert verify(bundle, parse_splits(bundle, "all")).splits == bundle.node_count - 1
    inputs = {name: array[:3] for name, array in bundle.samples().inputs.items()}
    cuts = bundle.block_cuts()
    whole, chain = run_chain(bundle, (), inputs), run_chain(bundle, cuts, inputs)
    for name, array in whole.items():
        np.testing.assert_allclose(chain[name], array, rtol=1e-4, atol=1e-5)


def test_nothing_that_crosses_is_a_number_of_samples(layered: Callable[[str], Bundle]) -> None:
    for model in ("gru", "norms", "decoder"):
        for point in layered(model).cut_points:
            for tensor in point.tensors:
                assert any(isinstance(size, str) for size in tensor.shape), tensor


def test_modules_of_a_class_are_cut_after(layered: Callable[[str], Bundle]) -> None:
    bundle = layered("decoder")
    layers = [bundle.label(cut) for cut in bundle.cuts_after_each("TransformerEncoderLayer")]
    assert layers == ["h.0", "h.1", "h.2"]


@pytest.mark.parametrize("model", ["gru", "decoder"])
def test_a_bundles_own_graph_exports_again_to_the_same_cuts(
    layered: Callable[[str], Bundle], model: str, tmp_path: Path
) -> None:
    bundle = layered(model)
    again = export(ExportSettings(str(bundle.path / "model.onnx"), tmp_path / "again", samples=12))
    assert again.clean_cuts() == bundle.clean_cuts()
    assert [node.op for node in again.manifest.nodes] == [node.op for node in bundle.manifest.nodes]
    inputs = {name: array[:3] for name, array in bundle.samples().inputs.items()}
    for name, array in run_chain(bundle, (), inputs).items():
        np.testing.assert_array_equal(run_chain(again, again.clean_cuts()[1:2], inputs)[name], array)


def test_dequantised_weights_stay_with_the_layer_that_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights, layers, constants, value = [], [], [], "x"
    for i in range(4):
        constants.append(numpy_helper.from_array(np.array(0.02, np.float32), f"s{i}"))
        constants.append(numpy_helper.from_array(np.array(0, np.int8), f"z{i}"))
        weight = rng.integers(-90, 90, (32, 32)).astype(np.int8)
        constants.append(numpy_helper.from_array(weight, f"w{i}_q"))
        weights.append(helper.make_node("DequantizeLinear", [f"w{i}_q", f"s{i}", f"z{i}"], [f"w{i}"]))
        layers += [
            helper.make_node("MatMul", [value, f"w{i}"], [f"m{i}"], name=f"/l.{i}/MatMul"),
            helper.make_node("Relu", [f"m{i}"], [f"r{i}"], name=f"/l.{i}/Relu"),
        ]
        value = f"r{i}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 32]) for name in ("x", value)]
    graph = helper.make_graph(weights + layers, "weights", ends[:1], ends[1:], constants)
    file = tmp_path / "weights.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    bundle = export(ExportSettings(str(file), tmp_path / "bundle", samples=12))
    assert bundle.clean_cuts() == tuple(range(1, 8))
    assert bundle.manifest.weights_bytes < 4 * 32 * 32 + 1000  # int8 still
    operators = [node.op_type for node in onnx.load_from_string(bundle.shard(2, 8).graph).graph.node]
    assert operators.count("DequantizeLinear") == 3
    verify(bundle, [(2,), (4,), (6,), (2, 4, 6)])


def test_views_of_weights_are_folded_and_tied_ones_stay_tied(tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.random.default_rng(0).random((300, 64), np.float32), "table")
    own = numpy_helper.from_array(np.random.default_rng(1).random((64, 64), np.float32), "own")
    nodes = [
        helper.make_node("Transpose", ["table"], ["head"], perm=[1, 0]),
        helper.make_node("Transpose", ["own"], ["turned"], perm=[1, 0]),
        helper.make_node("Gather", ["table", "x"], ["a"]),
        helper.make_node("MatMul", ["a", "turned"], ["b"]),
        helper.make_node("MatMul", ["b", "head"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 300])
    graph = helper.make_graph(nodes, "tied", [x], [y], [table, own])
    file = tmp_path / "tied.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    bundle = export(ExportSettings(str(file), tmp_path / "bundle", samples=12))
    assert [node.op for node in bundle.manifest.nodes] == ["Gather", "MatMul", "MatMul"]
    assert bundle.clean_cuts() == (1, 2)
    assert bundle.manifest.weights_bytes < 4 * (300 * 64 + 64 * 64) + 8192
    verify(bundle, [(1,), (2,)])


def test_a_size_that_the_data_decides_is_no_constant(tmp_path: Path) -> None:
    # y = sum(x[x > 0]) x (how many there are), by NonZero
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    first = numpy_helper.from_array(np.array([1], np.int64), "first")
    rows = numpy_helper.from_array(np.array([1], np.int64), "rows")
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["p"]),
        helper.make_node("NonZero", ["p"], ["places"]),
        helper.make_node("Shape", ["places"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["many"]),
        helper.make_node("Cast", ["many"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["x", "rows"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "count"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k]) for n, k in (("x", 5), ("y", 1))]
    graph = helper.make_graph(nodes, "free", ends[:1], ends[1:], [zero, first, rows])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    # Of these samples all values are above zero, so their number looks like a multiple of the batch.
    inputs = {"x": np.random.default_rng(0).uniform(1, 2, (8, 5)).astype(np.float32)}
    settle_shapes(model, tmp_path, inputs, None)
    assert [node.op_type for node in model.graph.node][:4] == ["Greater", "NonZero", "Shape", "Gather"]
