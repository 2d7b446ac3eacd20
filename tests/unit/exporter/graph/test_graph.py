"""From modules and .onnx files to graphs; what cannot be cut is refused by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.bundle import Bundle
from exporter.errors import ExporterError, GraphError, ModelError, OutputError, WeightsError
from exporter.export import ExportSettings, export
from exporter.split_argument import parse_splits
from exporter.verify import verify

SMALL_MODELS = Path(__file__).parents[1] / "small_models.py"


def test_inputs_and_outputs_keep_the_names_that_the_model_gives(small: Callable[[str], Bundle]) -> None:
    two, tokens = small("two_inputs").manifest, small("tokens").manifest
    assert [t.name for t in two.inputs] == ["left", "right"]
    assert [t.name for t in two.outputs] == ["output_0", "output_1"]
    assert [t.name for t in tokens.inputs] == ["tokens", "mask"]
    assert [(t.name, t.dtype) for t in tokens.outputs] == [("pooled", "float32"), ("longest", "int64")]
    assert two.batch == tokens.batch == "symbolic"


def test_a_model_of_one_batch_size_is_exported_with_that(small: Callable[[str], Bundle]) -> None:
    manifest = small("fixed_batch").manifest
    assert manifest.batch == 4
    assert manifest.inputs[0].shape == (4, 6)
    assert small("fixed_batch").samples().count == 12


def test_a_model_that_reads_the_batch_as_a_number_is_exported_with_that_and_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = ExportSettings(f"{SMALL_MODELS}:class_token", tmp_path / "out", samples=12)
    bundle = export(settings, lines.append)
    assert bundle.manifest.batch == 4
    assert bundle.manifest.inputs[0].shape == (4, 5, 6)
    assert [
        line for line in lines if line.startswith("the batch is fixed to 4: forward() uses it as a number")
    ]


@pytest.mark.parametrize(
    "name", ["residual", "two_inputs", "tokens", "fixed_batch", "with_data", "class_token"]
)
def test_small_models_verify(small: Callable[[str], Bundle], name: str) -> None:
    bundle = small(name)
    found = verify(bundle, parse_splits(bundle, "all"))
    assert found.graph is not None
    assert found.splits == bundle.node_count - 1


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("no_operator", "ONNX has no operator for .*bessel_j0"),
        ("scalar_input", 'input "input" is a single number'),
        ("wrong_return", r"must return \(module, example_input\)"),
        ("raises", "raised RuntimeError: no weights on this machine"),
        ("residul", 'has no function "residul" .*did you mean "residual"'),
        ("NOT_CALLABLE", 'has no function "NOT_CALLABLE"'),
    ],
)
def test_a_function_that_gives_no_model_says_why(tmp_path: Path, model: str, says: str) -> None:
    with pytest.raises(ExporterError, match=says):
        export(ExportSettings(f"{SMALL_MODELS}:{model}", tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("mobilenet_v22", 'did you mean "mobilenet_v2"'),
        ("nowhere.py:make", r"nowhere\.py: no such file"),
        ("no_such_package.zoo:make", 'no module "no_such_package"'),
        ("nowhere.onnx", r"nowhere\.onnx: no such file"),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, model: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        export(ExportSettings(model, tmp_path / "out"))


def test_degenerate_weights_are_exported_and_refused_by_verify(small: Callable[[str], Bundle]) -> None:
    from exporter.errors import VerifyError

    with pytest.raises(VerifyError, match="weights are degenerate"):
        verify(small("degenerate"), [(1,)])


def _onnx(path: Path, shape: list[int | str], nodes: list[onnx.NodeProto] | None = None) -> Path:
    """Write x -> MatMul -> (constant) Add -> Relu -> y, as older exporters name and order things."""
    weight = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    bias = numpy_helper.from_array(np.ones(6, np.float32))
    nodes = nodes or [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="/encoder/encoder.0/MatMul"),
        helper.make_node("Constant", [], ["c"], value=bias),
        helper.make_node("Add", ["a", "c"], ["b"], name="/encoder/encoder.0/Add"),
        helper.make_node("Relu", ["b"], ["y"], name="/act/Relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize(("first", "batch"), [("N", "symbolic"), (1, 1), (4, 4)])
def test_a_ready_file_becomes_a_bundle(tmp_path: Path, first: int | str, batch: int | str) -> None:
    path = _onnx(tmp_path / "ready.onnx", [first, 6])
    bundle = export(ExportSettings(str(path), tmp_path / "bundle", samples=16))
    assert bundle.manifest.batch == batch
    assert [(n.op, n.module) for n in bundle.manifest.nodes] == [
        ("MatMul", "encoder.0"),
        ("Add", "encoder.0"),
        ("Relu", "act"),
    ]  # the constant is an initializer now
    found = verify(bundle, parse_splits(bundle, "all"))
    assert found.graph is None  # there is no PyTorch model
    assert found.chains is not None


def test_a_ready_file_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    open_height = _onnx(tmp_path / "open.onnx", ["N", "height"])
    with pytest.raises(GraphError, match=r'input "x" is \[N, height\]; only the first'):
        export(ExportSettings(str(open_height), tmp_path / "out"))
    unknown = _onnx(tmp_path / "unknown.onnx", ["N", 6], [helper.make_node("Frobnicate", ["x"], ["y"])])
    with pytest.raises(GraphError, match="Frobnicate"):
        export(ExportSettings(str(unknown), tmp_path / "out"))
    flat = _onnx(tmp_path / "flat.onnx", ["N", 6], [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)])
    with pytest.raises(GraphError, match='output "y" is .*first dimension must be the batch'):
        export(ExportSettings(str(flat), tmp_path / "out"))
    (tmp_path / "garbage.onnx").write_bytes(b"garbage")
    with pytest.raises(ModelError, match=r"garbage\.onnx"):
        export(ExportSettings(str(tmp_path / "garbage.onnx"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_options_that_a_model_cannot_take_are_refused(tmp_path: Path) -> None:
    path = str(_onnx(tmp_path / "ready.onnx", ["N", 6]))
    with pytest.raises(WeightsError, match="holds its weights"):
        export(ExportSettings(path, tmp_path / "out", weights="w.pth"))
    with pytest.raises(ModelError, match="for built-in models only"):
        export(ExportSettings(path, tmp_path / "out", num_classes=3))
    with pytest.raises(ExporterError, match="has RGB images"):
        export(ExportSettings(path, tmp_path / "out", dataset="digits"))
    with pytest.raises(ModelError, match="--input-size 16 is too small; give 32 or more"):
        export(ExportSettings("mobilenet_v2", tmp_path / "out", input_size=16))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OutputError, match="holds other files"):
        export(ExportSettings(path, tmp_path / "taken", force=True))
