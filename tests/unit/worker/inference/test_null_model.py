"""A worker recognises a graph that computes nothing, by its bytes."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from exporter.bundle import export_null
from exporter.bundle.bundle import NULL_OPERATORS as EXPORTED
from tests.unit.worker.tiny import shard_graph
from worker.inference.null_model import NULL_OPERATORS, check_null
from worker.wire.errors import RefusedError


def model_of(*nodes: onnx.NodeProto, name: str = "null") -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", 4]) for end in "xy"]
    graph = helper.make_graph(list(nodes), name, ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


IDENTITY = helper.make_node("Identity", ["x"], ["y"])
RELU = helper.make_node("Relu", ["x"], ["y"])


def refused(graph: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        check_null(graph, "shard 0-1")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_shard_of_the_null_model_is_null(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert set(EXPORTED) == NULL_OPERATORS
    null = export_null(tmp_path_factory.mktemp("bundles") / "null", (4, 9, 9, 2))
    for start in range(3):
        for stop in range(start + 1, 4):
            check_null(null.shard(start, stop).graph, "shard")


def test_a_graph_that_computes_is_refused_whatever_its_name() -> None:
    assert "shard 0-1 computes (operator 'Relu')" in refused(model_of(IDENTITY, RELU).SerializeToString())
    assert "operator 'MatMul'" in refused(shard_graph(1, 2))


def test_an_operator_of_another_domain_is_no_null_one() -> None:
    foreign = helper.make_node("Identity", ["x"], ["y"], domain="com.example")
    assert "com.example.Identity" in refused(model_of(foreign).SerializeToString())


def test_a_function_may_hide_behind_any_name() -> None:
    model = model_of(IDENTITY)
    model.functions.append(
        helper.make_function("", "Identity", ["x"], ["y"], [RELU], [helper.make_opsetid("", 18)])
    )
    assert "the model's own" in refused(model.SerializeToString())


def test_what_protobuf_would_merge_counts() -> None:
    """A second graph in the file adds its nodes to the first, and a second name of an operator wins."""
    second = model_of(RELU).SerializeToString()
    assert "'Relu'" in refused(model_of(IDENTITY).SerializeToString() + second)
    doubled = IDENTITY.SerializeToString() + helper.make_node("Relu", [], []).SerializeToString()
    merged = onnx.NodeProto()
    merged.ParseFromString(doubled)
    assert merged.op_type == "Relu"
    graph = b"\x0a" + bytes([len(doubled)]) + doubled
    assert "'Relu'" in refused(b"\x3a" + bytes([len(graph)]) + graph)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    try:
        check_null(data, "shard")
    except RefusedError as error:
        assert "\n" not in str(error)
