"""What crosses a cut, and the shard between two."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from exporter.bundle.partition import Cuttable, names_used
from exporter.bundle.tensors import Tensor


def _graph(nodes: list[onnx.NodeProto], inputs: list[str], outputs: list[str]) -> onnx.GraphProto:
    def values(names: list[str]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in names]

    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    return helper.make_graph(nodes, "g", values(inputs), values(outputs), [weight])


def _crossing(graph: onnx.GraphProto) -> tuple[tuple[str, ...], ...]:
    return Cuttable(helper.make_model(graph)).crossing()


def test_what_crosses_a_bypass_and_an_early_output() -> None:
    #  x -> Relu a -+-> Neg b -> Mul(w) c -+-> Add d      outputs: d, b
    #               +----------------------+
    graph = _graph(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Neg", ["a"], ["b"]),
            helper.make_node("Mul", ["b", "w"], ["c"]),
            helper.make_node("Add", ["c", "a"], ["d"]),
        ],
        ["x"],
        ["d", "b"],
    )
    assert _crossing(graph) == (("x",), ("a",), ("a", "b"), ("a", "b", "c"), ("d", "b"))


def test_an_input_used_late_crosses_until_then_and_initializers_never_do() -> None:
    graph = _graph(
        [
            helper.make_node("Mul", ["x", "w"], ["a"]),
            helper.make_node("Mul", ["a", "w"], ["b"]),
            helper.make_node("Add", ["b", "late"], ["c"]),
            helper.make_node("Neg", ["c"], ["d"]),
        ],
        ["x", "late"],
        ["d"],
    )
    assert _crossing(graph) == (("x", "late"), ("late", "a"), ("late", "b"), ("c",), ("d",))


def test_a_dead_output_does_not_cross() -> None:
    graph = _graph(
        [
            helper.make_node("Split", ["x"], ["used", "dead"], num_outputs=2, axis=1),
            helper.make_node("Neg", ["used"], ["y"]),
        ],
        ["x"],
        ["y"],
    )
    assert _crossing(graph)[1] == ("used",)


def test_values_captured_by_a_sub_graph_cross() -> None:
    # If(flag) { captured } else { Neg(captured) }: `captured` is no input of the If node.
    then = helper.make_graph([helper.make_node("Identity", ["captured"], ["t"])], "then", [], [_value("t")])
    other = helper.make_graph([helper.make_node("Neg", ["captured"], ["e"])], "else", [], [_value("e")])
    node = helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=other)
    assert set(names_used(node)) == {"flag", "captured"}


def _value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2])


@pytest.mark.parametrize("batch", [1, 3])
def test_a_tensor_that_only_passes_comes_out_of_the_shard(batch: int) -> None:
    graph = _graph(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Neg", ["a"], ["b"]),
            helper.make_node("Add", ["b", "x"], ["c"]),
        ],
        ["x"],
        ["c"],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    x, a, b = (Tensor(name, "float32", ("batch", 2)) for name in "xab")
    content = Cuttable(model).shard(1, 2, [x, a], [x, b])
    assert content == Cuttable(model).shard(1, 2, [x, a], [x, b])
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    ones = np.ones((batch, 2), np.float32)
    found = session.run(["x", "b"], {"x": 5 * ones, "a": ones})
    assert (found[0] == 5).all()
    assert (found[1] == -1).all()
