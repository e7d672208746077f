"""Equalized and corrected networks, held against what they were made from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from quantize.builder import Float
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare import bias_correction, calibrate, equalize, steps
from quantize.prepare.calibrate import Splits
from quantize.recipe import parse

Array = np.ndarray[Any, Any]


def chain(between: list[Any], given: str, *, extra: list[Any] | None = None) -> onnx.ModelProto:
    """Convolution, ``between`` (x to ``given``), a depthwise one, ReLU, mean, linear; uneven."""
    draw = np.random.default_rng(0)
    uneven = np.exp(draw.normal(0, 1.5, 8))
    weights = {
        "a.weight": draw.normal(size=(8, 1, 3, 3)) * uneven[:, None, None, None],
        "a.bias": draw.normal(size=8) * uneven,
        "b.weight": draw.normal(size=(8, 1, 3, 3)) / uneven[::-1, None, None, None],
        "b.bias": draw.normal(size=8),
        "c.weight": draw.normal(size=(7, 8)) * uneven,
        "c.bias": draw.normal(size=7),
        "low": np.zeros(()),
        "high": np.full((), 6.0),
    }
    nodes = [
        helper.make_node("Conv", ["faces", "a.weight", "a.bias"], ["x"], name="a", pads=[1, 1, 1, 1]),
        *between,
        helper.make_node("Conv", [given, "b.weight", "b.bias"], ["d"], name="b", group=8),
        helper.make_node("Relu", ["d"], ["e"], name="relu"),
        helper.make_node("GlobalAveragePool", ["e"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "c.weight", "c.bias"], ["logits"], name="c", transB=1),
    ]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 1, 8, 8])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7]), *(extra or [])],
            [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    onnx.checker.check_model(made, full_check=True)
    return made


RELU = [helper.make_node("Relu", ["x"], ["y"], name="act")]
RELU6 = [helper.make_node("Clip", ["x", "low", "high"], ["y"], name="act")]
SILU = [
    helper.make_node("Sigmoid", ["x"], ["s"], name="gate"),
    helper.make_node("Mul", ["x", "s"], ["y"], name="act"),
]
HARD_SWISH = [helper.make_node("HardSwish", ["x"], ["y"], name="act")]
EXCITE = [
    helper.make_node("Relu", ["x"], ["r"], name="act"),
    helper.make_node("GlobalAveragePool", ["r"], ["q"], name="squeeze"),
    helper.make_node("HardSigmoid", ["q"], ["s"], name="gate"),
    helper.make_node("Mul", ["r", "s"], ["y"], name="excite"),
]


def run(made: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return np.asarray(
        onnxruntime.InferenceSession(made.SerializeToString(), options).run(None, {"faces": x})[0]
    )


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(1).normal(size=(4, 1, 8, 8)).astype(np.float32)


def rounding_error(made: onnx.ModelProto, x: Array) -> float:
    """What weights in 8 bits, one scale a layer, do to the answers."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(made)
    values = onnx_graph.constants(made)
    weights = {
        name: bias_correction.rounded(values[name], 0, False) for name in values if name.endswith("weight")
    }
    onnx_graph.set_constants(rounded, weights)
    return float(np.abs(run(rounded, x) - run(made, x)).mean())


def test_a_relu_network_answers_the_same_and_its_channels_are_even(x: Array) -> None:
    made = chain(RELU, "y")
    before = run(made, x)
    assert [(pair.first, pair.second) for pair in equalize.pairs(made)] == [("a", "b"), ("b", "c")]
    assert set(equalize.equalize(made, {})) == {"a", "b", "c"}
    np.testing.assert_allclose(run(made, x), before, rtol=2e-5, atol=2e-5 * np.abs(before).max())
    assert rounding_error(made, x) < rounding_error(chain(RELU, "y"), x) / 2
    first = np.abs(onnx_graph.constants(made)["a.weight"]).reshape(8, -1).max(1)
    second = np.abs(onnx_graph.constants(made)["b.weight"]).reshape(8, -1).max(1)
    np.testing.assert_allclose(first, second, rtol=0.02)


@pytest.mark.parametrize("between", [SILU, HARD_SWISH, EXCITE], ids=["silu", "hard-swish", "excite"])
def test_what_minds_a_channels_scale_is_never_scaled(between: list[Any], x: Array) -> None:
    made = chain(between, "y")
    before = onnx_graph.constants(made)["a.weight"].copy()
    assert [(pair.first, pair.second) for pair in equalize.pairs(made)] == [("b", "c")]
    answers = run(made, x)
    equalize.equalize(made, {})
    np.testing.assert_array_equal(onnx_graph.constants(made)["a.weight"], before)
    np.testing.assert_allclose(run(made, x), answers, rtol=2e-5, atol=2e-5 * np.abs(answers).max())


def test_values_that_are_used_elsewhere_too_are_never_scaled() -> None:
    shown = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 8, 8])
    assert [pair.first for pair in equalize.pairs(chain(RELU, "y", extra=[shown]))] == ["b"]


def test_a_channel_that_reaches_relu6s_six_is_left_alone_and_the_rest_stays_exact(x: Array) -> None:
    made = chain(RELU6, "y")
    seen = onnx.ModelProto()
    seen.CopyFrom(made)
    seen.graph.output.insert(0, helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    tops = run(seen, x).max((0, 2, 3))
    assert (tops > 6).any() and (tops < 4).any()
    before, weight = run(made, x), onnx_graph.constants(made)["a.weight"].copy()
    equalize.equalize(made, equalize.lowest_scales(made, {"x": tops}))
    np.testing.assert_allclose(run(made, x), before, rtol=2e-5, atol=2e-5 * np.abs(before).max())
    scale = weight.reshape(8, -1).max(1) / onnx_graph.constants(made)["a.weight"].reshape(8, -1).max(1)
    assert (scale[tops * equalize.MARGIN >= 6] == 1).all()
    assert (np.abs(scale - 1) > 0.05).any()
    assert (tops / scale < 6).all() or (tops[tops / scale >= 6] >= 6 / equalize.MARGIN).all()


def test_without_limits_nothing_is_scaled_over_a_relu6() -> None:
    made = chain(RELU6, "y")
    before = onnx_graph.constants(made)["a.weight"].copy()
    equalize.equalize(made, {})
    np.testing.assert_array_equal(onnx_graph.constants(made)["a.weight"], before)


def test_a_relu6_between_two_layers_becomes_a_relu(x: Array) -> None:
    made = chain(RELU6, "y")
    assert equalize.replace_clips(made) == ["a"]
    np.testing.assert_array_equal(run(made, x), run(chain(RELU, "y"), x))


def test_correcting_takes_the_mean_error_off_what_rounded_weights_give(x: Array) -> None:
    """One scale for a whole layer rounds badly; its mean error is exactly what is taken off."""
    made = chain(RELU, "y")
    shown = onnx.ModelProto()
    shown.CopyFrom(made)
    shown.graph.output.insert(0, helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    wanted = run(shown, x).mean((0, 2, 3))
    weight = bias_correction.rounded(onnx_graph.constants(made)["a.weight"], 0, False)
    onnx_graph.set_constants(shown, {"a.weight": weight})
    off = run(shown, x).mean((0, 2, 3)) - wanted
    assert np.abs(off).max() > 1e-3
    assert bias_correction.correct(made, [x[:3], x[3:]], [], per_channel=False) == ["a", "b", "c"]
    onnx_graph.set_constants(shown, {"a.bias": onnx_graph.constants(made)["a.bias"]})
    np.testing.assert_allclose(run(shown, x).mean((0, 2, 3)), wanted, atol=1e-4 * np.abs(off).max() + 1e-5)


def test_a_layer_that_stays_float_keeps_its_bias(x: Array) -> None:
    made = chain(RELU, "y")
    before = onnx_graph.constants(made)
    assert bias_correction.correct(made, [x], ["b"], per_channel=False) == ["a", "c"]
    after = onnx_graph.constants(made)
    assert (before["b.bias"] == after["b.bias"]).all() and (before["a.bias"] != after["a.bias"]).any()


@pytest.mark.parametrize(
    "settings", ['equalization = "unclipped"', 'equalization = "relu"', "bias_correction = true"]
)
def test_both_forms_of_a_trained_network_are_changed_alike(
    settings: str, source: Source, exported: Exported, splits: Splits
) -> None:
    text = f'schema = 1\nname = "p"\nengine = "onnx"\n[quantize]\n{settings}\n'
    recipe = parse(text, Path("p.toml"))
    network = Float("tiny", exported, source.input)
    made = steps.prepare(network, recipe, splits.train.faces[:56])
    x = calibrate.inputs(splits.train.faces[:5], source.input)
    before = run(onnx.load_from_string(exported.onnx), x)
    given = run(onnx.load_from_string(made.exported.onnx), x)
    program = torch.export.load(io.BytesIO(made.exported.program)).module()
    with torch.no_grad():
        also = np.concatenate([program(torch.from_numpy(face[None])).numpy() for face in x])
    np.testing.assert_allclose(also, given, rtol=1e-3, atol=1e-4)
    weights = [onnx_graph.constants(onnx.load_from_string(each.onnx)) for each in (exported, made.exported)]
    assert any(
        not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0] if name in weights[1]
    )
    if "unclipped" in settings:
        np.testing.assert_allclose(given, before, rtol=1e-3, atol=1e-4)


def test_a_recipe_that_wants_nothing_leaves_the_network_alone(source: Source, exported: Exported) -> None:
    network = Float("tiny", exported, source.input)
    recipe = parse('schema = 1\nname = "p"\nengine = "onnx"\n', Path("p.toml"))
    assert steps.prepare(network, recipe, np.zeros((8, 48, 48), np.uint8)) is network
    text = recipe.text + "[quantize]\nbias_correction = true\n"
    own = steps.prepare(
        network, parse(text, Path("p.toml")), np.zeros((8, 48, 48), np.uint8), corrects_bias=True
    )
    assert own is network
