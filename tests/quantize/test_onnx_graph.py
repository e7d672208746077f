"""Each rewrite must leave a network's answers as they were, and say when it cannot be done."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantize.network import onnx_graph

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def model(nodes: list[Any], weights: dict[str, np.ndarray[Any, Any]], out: list[Any]) -> onnx.ModelProto:
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", FLOAT, ["n", 3, 8, 8])],
            [helper.make_tensor_value_info("y", FLOAT, out)],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def run(made: onnx.ModelProto, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options)
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.fixture
def x() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, 2]])
@pytest.mark.parametrize("keep", [0, 1])
def test_a_spatial_mean_becomes_a_pooling_of_the_same_values(
    axes: list[int], keep: int, x: np.ndarray[Any, Any]
) -> None:
    out = ["n", 3, 1, 1] if keep else ["n", 3]
    made = model(
        [helper.make_node("ReduceMean", ["x", "a"], ["y"], keepdims=keep)],
        {"a": np.array(axes, np.int64)},
        out,
    )
    before = run(made, x)
    assert onnx_graph.pool_means(made) == 1
    assert "ReduceMean" not in [node.op_type for node in made.graph.node]
    np.testing.assert_allclose(run(made, x), before, rtol=1e-5, atol=1e-7)
    assert run(made, x).shape == before.shape


@pytest.mark.parametrize("axes", [[1], [1, 2, 3], [3]])
def test_any_other_mean_is_left_alone(axes: list[int]) -> None:
    made = model(
        [helper.make_node("ReduceMean", ["x", "a"], ["y"], keepdims=1)],
        {"a": np.array(axes, np.int64)},
        ["a", "b", "c", "d"],
    )
    assert onnx_graph.pool_means(made) == 0
    assert [node.op_type for node in made.graph.node] == ["ReduceMean"]


def quantized_input(zero: np.ndarray[Any, Any], users: int = 1) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["y" if users == 1 else "r"]),
    ]
    if users == 2:
        nodes.append(helper.make_node("Add", ["r", "x"], ["y"]))
    return model(nodes, {"s": np.array(0.5, np.float32), "z": zero}, ["n", 3, 8, 8])


def test_integers_fed_in_give_what_their_quantized_values_gave() -> None:
    made = quantized_input(np.array(10, np.uint8))
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    before = run(made, (levels.astype(np.float32) - 10) * 0.5)
    assert onnx_graph.uint8_input(made)
    assert made.graph.input[0].type.tensor_type.elem_type == UINT8
    np.testing.assert_array_equal(run(made, levels), before)


@pytest.mark.parametrize(
    "made",
    [quantized_input(np.array(10, np.uint8), users=2), quantized_input(np.array(10, np.int8))],
    ids=["used elsewhere too", "signed"],
)
def test_an_input_that_is_more_than_quantized_to_uint8_stays_float(made: onnx.ModelProto) -> None:
    before = made.SerializeToString()
    assert not onnx_graph.uint8_input(made)
    assert made.SerializeToString() == before


def test_only_zero_points_of_constants_that_are_all_zero_are_dropped(x: np.ndarray[Any, Any]) -> None:
    weights = {
        "w": np.arange(3, dtype=np.int8).reshape(3, 1, 1),
        "ws": np.full(3, 0.1, np.float32),
        "w0": np.zeros(3, np.int8),
        "v": np.arange(3, dtype=np.int8).reshape(3, 1, 1),
        "v0": np.array([0, 1, 0], np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "ws", "w0"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["v", "ws", "v0"], ["vd"], axis=0),
        helper.make_node("Mul", ["x", "wd"], ["m"]),
        helper.make_node("Add", ["m", "vd"], ["y"]),
    ]
    made = model(nodes, weights, ["n", 3, 8, 8])
    before = run(made, x)
    assert onnx_graph.drop_zero_points(made) == 1
    onnx_graph.tidy(made)
    assert set(onnx_graph.constants(made)) == {"w", "ws", "v", "v0"}
    onnx.checker.check_model(made, full_check=True)
    np.testing.assert_array_equal(run(made, x), before)


def test_tidying_drops_notes_and_unused_weights_and_nothing_else(x: np.ndarray[Any, Any]) -> None:
    made = model([helper.make_node("Add", ["x", "b"], ["y"])], {"b": np.ones(1, np.float32)}, ["n", 3, 8, 8])
    before = run(made, x)
    made.graph.initializer.append(numpy_helper.from_array(np.ones(99, np.float32), "unused"))
    made.doc_string = made.graph.node[0].doc_string = made.graph.input[0].doc_string = "secret place"
    made.metadata_props.add(key="k", value="secret place")
    made.graph.value_info.append(helper.make_tensor_value_info("y2", FLOAT, [1]))
    onnx_graph.tidy(made)
    assert b"secret place" not in made.SerializeToString()
    assert list(onnx_graph.constants(made)) == ["b"]
    np.testing.assert_array_equal(run(made, x), before)


def test_an_activation_is_what_is_made_of_the_layers_output_alone() -> None:
    def node(kind: str, name: str, given: list[str], made: str) -> Any:
        return helper.make_node(kind, given, [made], name=name)

    weight = np.ones((3, 3, 1, 1), np.float32)
    made = model(
        [
            node("Conv", "conv", ["x", "w"], "a"),
            node("Sigmoid", "sigmoid", ["a"], "s"),
            node("Mul", "silu", ["a", "s"], "b"),
            node("GlobalAveragePool", "pool", ["b"], "p"),
            node("Conv", "squeeze", ["p", "w"], "q"),
            node("Clip", "clip", ["q", "", "six"], "r"),
            node("Sigmoid", "gate", ["r"], "g"),
            node("Mul", "gated", ["b", "g"], "y"),
        ],
        {"w": weight, "six": np.array(6, np.float32)},
        ["n", 3, 8, 8],
    )
    assert onnx_graph.with_activations(made, ["conv"]) == ["conv", "sigmoid", "silu"]
    assert onnx_graph.with_activations(made, ["squeeze"]) == ["squeeze", "clip", "gate"]
    assert onnx_graph.with_activations(made, []) == []
