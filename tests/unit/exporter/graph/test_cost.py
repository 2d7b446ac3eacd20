"""Multiply-adds and parameters, against counts made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.bundle.partition import HEAVY
from exporter.export import ExportSettings, export
from exporter.graph import cost
from exporter.graph.cost import multiply_adds

Shapes = dict[str, tuple[int, ...]]


@pytest.mark.parametrize(
    ("operator", "shapes", "attributes", "by_hand"),
    [
        # 8 x 8 results of 16 channels, each of 3 x 3 x 4 products
        ("Conv", {"x": (1, 4, 8, 8), "w": (16, 4, 3, 3), "y": (1, 16, 8, 8)}, {}, 8 * 8 * 16 * 36),
        # two groups: each of half of the channels
        ("Conv", {"x": (1, 4, 8, 8), "w": (16, 2, 3, 3), "y": (1, 16, 8, 8)}, {"group": 2}, 8 * 8 * 16 * 18),
        ("ConvInteger", {"x": (1, 4, 8, 8), "w": (16, 4, 3, 3), "y": (1, 16, 8, 8)}, {}, 8 * 8 * 16 * 36),
        ("ConvTranspose", {"x": (1, 4, 5, 5), "w": (4, 6, 2, 2), "y": (1, 6, 10, 10)}, {}, 5 * 5 * 4 * 6 * 4),
        ("Gemm", {"a": (1, 7), "b": (7, 5), "y": (1, 5)}, {}, 35),
        ("Gemm", {"a": (7, 3), "b": (7, 5), "y": (3, 5)}, {"transA": 1}, 105),
        ("MatMul", {"a": (1, 9, 7), "b": (7, 5), "y": (1, 9, 5)}, {}, 9 * 7 * 5),
        ("MatMulInteger", {"a": (1, 9, 7), "b": (7, 5), "y": (1, 9, 5)}, {}, 9 * 7 * 5),
        # 6 steps, three gates of 8, each of 2 inputs and 8 states; twice where it runs both ways
        ("GRU", {"x": (6, 1, 2), "w": (1, 24, 2), "r": (1, 24, 8), "y": (6, 1, 1, 8)}, {}, 6 * 24 * 10),
        ("GRU", {"x": (6, 1, 2), "w": (2, 24, 2), "r": (2, 24, 8), "y": (6, 2, 1, 8)}, {}, 2 * 6 * 24 * 10),
        ("LSTM", {"x": (6, 1, 2), "w": (1, 32, 2), "r": (1, 32, 8), "y": (6, 1, 1, 8)}, {}, 6 * 32 * 10),
        ("Einsum", {"a": (1, 7, 5), "b": (1, 5, 3), "y": (1, 7, 3)}, {"equation": "bij,bjk->bik"}, 105),
        ("Einsum", {"a": (2, 4, 7, 5), "b": (5, 3), "y": (2, 4, 7, 3)}, {"equation": "...ij,jk->...ik"}, 840),
        ("Einsum", {"a": (7, 5), "y": (5, 7)}, {"equation": "ij->ji"}, 0),
        # 4 heads: 6 x 9 weights of 8 products each, and as many for values of 10
        (
            "Attention",
            {"q": (1, 4, 6, 8), "k": (1, 4, 9, 8), "v": (1, 4, 9, 10), "y": (1, 4, 6, 10)},
            {},
            4 * 6 * 9 * (8 + 10),
        ),
        # the same with two heads of keys and values, in three dimensions
        (
            "Attention",
            {"q": (1, 6, 32), "k": (1, 9, 16), "v": (1, 9, 20), "y": (1, 6, 40)},
            {"q_num_heads": 4, "kv_num_heads": 2},
            4 * 6 * 9 * (8 + 10),
        ),
        ("Relu", {"x": (1, 9), "y": (1, 9)}, {}, 0),
    ],
)
def test_multiply_adds(operator: str, shapes: Shapes, attributes: dict[str, Any], by_hand: int) -> None:
    *inputs, output = shapes
    node = helper.make_node(operator, inputs, [output], **attributes)
    assert multiply_adds(node, shapes) == by_hand


def test_quantised_products_count_as_what_they_stand_for() -> None:
    scale: tuple[int, ...] = ()
    shapes: Shapes = {"x": (1, 4, 8, 8), "s": scale, "z": scale, "w": (16, 4, 3, 3), "y": (1, 16, 8, 8)}
    node = helper.make_node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["y"])
    assert multiply_adds(node, shapes) == 8 * 8 * 16 * 36
    shapes = {"a": (1, 7), "s": scale, "z": scale, "b": (7, 5), "y": (1, 5)}
    node = helper.make_node("QLinearMatMul", ["a", "s", "z", "b", "s", "z", "s", "z"], ["y"])
    assert multiply_adds(node, shapes) == 35


def test_onnx_runtimes_own_attention_counts_its_projection_and_two_products() -> None:
    shapes: Shapes = {"x": (1, 6, 32), "w": (32, 96), "b": (96,), "y": (1, 6, 32)}
    node = helper.make_node("Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=4)
    assert multiply_adds(node, shapes) == 6 * 32 * 96 + 2 * 6 * 6 * 32


def test_what_is_counted_is_what_no_shard_computes_again() -> None:
    assert set(cost._COUNTS) == HEAVY


def test_parameters_of_int8_are_weights_and_biases_without_scales_and_zero_points(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(rng.integers(-90, 90, (8, 4)).astype(np.int8), "w_q"),
        numpy_helper.from_array(rng.integers(-900, 900, 4).astype(np.int32), "b_q"),
        numpy_helper.from_array(np.full(4, 0.02, np.float32), "scales"),
        numpy_helper.from_array(np.zeros(4, np.int8), "zeros"),
        numpy_helper.from_array(np.full(4, 0.0004, np.float32), "bias_scales"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w_q", "scales", "zeros"], ["w"], axis=1),
        helper.make_node("DequantizeLinear", ["b_q", "bias_scales"], ["b"], axis=0),
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], name="/g/Gemm"),
        helper.make_node("Relu", ["g"], ["y"], name="/r/Relu"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k]) for n, k in (("x", 8), ("y", 4))]
    graph = helper.make_graph(nodes, "int8", ends[:1], ends[1:], constants)
    file = tmp_path / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    manifest = export(ExportSettings(str(file), tmp_path / "bundle", samples=12)).manifest
    assert manifest.parameters == 8 * 4 + 4
    assert manifest.multiply_adds == 8 * 4
