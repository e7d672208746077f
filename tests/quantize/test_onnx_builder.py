from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.bundle import Bundle
from edge.bundle_files.sections import InputSpec
from edge.errors import BuildFailed, ToolchainError
from quantize import accuracy
from quantize.builder import Built, Float
from quantize.builders.onnx import OnnxBuilder
from quantize.builders.qdq import input_scales
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.prepare.calibrate import Splits
from quantize.recipe import Recipe, parse
from tests.quantize.conftest import QUICK


def recipe(settings: str = "", more: str = "") -> Recipe:
    return parse(QUICK.format(engine="onnx", settings=settings) + more, Path("quick.toml"))


@pytest.fixture
def network(source: Source, exported: Exported) -> Float:
    return Float("tiny", exported, source.input)


@pytest.fixture
def faces(splits: Splits) -> Any:
    return calibrate.choose(splits.train, recipe().calibration, 7)


def quantize(network: Float, how: Recipe, faces: Any) -> Built:
    return OnnxBuilder().quantize(network, OnnxBuilder().plain(network), how, faces)


def operators(built: Built) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(built.parts[".onnx"]).graph.node]


def test_int8_takes_grey_levels_and_answers_nearly_as_float_does(
    network: Float, faces: Any, splits: Splits, start: Bundle
) -> None:
    built = quantize(network, recipe(), faces)
    model = onnx.load_from_string(built.parts[".onnx"])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert built.precision == "int8" and built.size < OnnxBuilder().plain(network).size
    weights = [
        value for name, value in onnx_graph.constants(model).items() if name.endswith("weight_quantized")
    ]
    assert weights and all(value.dtype == np.int8 for value in weights)
    plain = accuracy.answers(start, "onnx", OnnxBuilder().plain(network), splits.public, 1)
    given = accuracy.answers(start, "onnx", built, splits.public, 1)
    assert accuracy.change(plain, given, splits.public, start.labels).agreement > 0.9


def test_seven_bits_of_weight_leave_room_for_sums_without_vnni(network: Float, faces: Any) -> None:
    """Two products of 255 and 64 fit 16 bits; two of 255 and 127 do not, and x86 without VNNI saturates."""
    how = recipe()
    extremes = {}
    for narrow in (False, True):
        chosen = replace(how, quantize=replace(how.quantize, reduce_range=narrow))
        model = onnx.load_from_string(quantize(network, chosen, faces).parts[".onnx"])
        values = [each for name, each in onnx_graph.constants(model).items() if name.endswith("_quantized")]
        weights = [each for each in values if each.dtype == np.int8]
        extremes[narrow] = max(int(np.abs(each.astype(int)).max()) for each in weights)
    assert extremes == {False: 127, True: 64}
    assert 2 * 255 * extremes[True] <= np.iinfo(np.int16).max


def test_the_input_scale_is_the_normalisation_to_half_a_grey_level() -> None:
    spec = InputSpec(16, "grey", (100.5,), (60.0,))
    (scale,), (zero,) = input_scales(spec)
    levels = np.arange(256)
    assert np.abs((levels - zero) * scale - (levels - 100.5) / 60).max() <= 0.5 / 60 + 1e-12
    scales, zeros = input_scales(InputSpec(16, "rgb", (1.0, 2.0, 3.2), (1.0, 1.0, 2.0)))
    assert (scales, zeros) == ([1.0, 1.0, 0.5], [1, 2, 3])


def test_a_first_layer_in_float_takes_grey_levels_as_well(
    network: Float, faces: Any, splits: Splits, start: Bundle
) -> None:
    built = quantize(network, recipe('keep_float = ["first"]'), faces)
    model = onnx.load_from_string(built.parts[".onnx"])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    plain = accuracy.answers(start, "onnx", OnnxBuilder().plain(network), splits.public, 1)
    given = accuracy.answers(start, "onnx", built, splits.public, 1)
    assert accuracy.change(plain, given, splits.public, start.labels).agreement > 0.9


def test_the_same_recipe_and_faces_give_the_same_bytes(network: Float, faces: Any) -> None:
    first, again = (quantize(network, recipe(), faces) for _ in range(2))
    assert first.parts == again.parts
    other = quantize(network, recipe(), faces[::2])
    assert other.parts != first.parts


def test_a_percentile_range_is_narrower_than_the_extremes(network: Float, faces: Any) -> None:
    usual = quantize(network, recipe(), faces)
    chosen = replace(recipe().calibration, method="percentile", percentile=99.0)
    built = quantize(network, replace(recipe(), calibration=chosen), faces)
    assert operators(built) == operators(usual)
    wide, narrow = (
        onnx_graph.constants(onnx.load_from_string(each.parts[".onnx"])) for each in (usual, built)
    )
    scales = [name for name in wide if name.endswith("_scale") and wide[name].ndim == 0 and name in narrow]
    assert len(scales) > 10
    assert all(narrow[name] <= wide[name] * 1.001 for name in scales)
    assert sum(narrow[name] < wide[name] * 0.95 for name in scales) > len(scales) / 2


def test_kinds_of_operators_kept_in_float_keep_float_weights(network: Float, faces: Any) -> None:
    built = quantize(network, recipe('float_operators = ["Gemm"]'), faces)
    kept = onnx_graph.constants(onnx.load_from_string(built.parts[".onnx"]))
    assert [name for name in kept if name.endswith(".weight")] == ["classifier.1.weight"]


def test_layers_kept_in_float_keep_float_weights(network: Float, faces: Any) -> None:
    built = quantize(
        network, recipe('keep_float = ["first", "last", "features.1.*"]\nuint8_input = false'), faces
    )
    model = onnx.load_from_string(built.parts[".onnx"])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    kept = {name for name, value in onnx_graph.constants(model).items() if name.endswith(".weight")}
    assert kept == {
        "features.0.0.weight",
        "features.1.conv.0.0.weight",
        "features.1.conv.1.weight",
        "classifier.1.weight",
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('keep_float = ["features.99"]', "no layer is called 'features.99'"),
        ('weights = "mse"', "engine 'onnx' has no weights = 'mse'; valid: 'minmax'"),
        ('float_operators = ["Multiply"]', "float_operators: ONNX has no operator 'Multiply'"),
    ],
)
def test_what_a_recipe_asks_in_vain_is_refused(network: Float, faces: Any, settings: str, said: str) -> None:
    with pytest.raises(ToolchainError, match=said):
        quantize(network, recipe(settings), faces)


def test_a_network_that_is_no_onnx_is_refused_in_one_sentence(network: Float, faces: Any) -> None:
    model = onnx.load_from_string(network.exported.onnx)
    model.graph.node[3].op_type = "NoSuchOperator"
    broken = replace(network, exported=replace(network.exported, onnx=model.SerializeToString()))
    with pytest.raises(BuildFailed, match="recipe 'quick': ONNX Runtime cannot quantize it"):
        quantize(broken, recipe(), faces)
