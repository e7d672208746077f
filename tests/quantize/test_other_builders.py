"""OpenVINO's and LiteRT's builders on the tiny network, in the engine that each is for.

Each needs its own libraries, gigabytes of them; where they are missing the test says how to get them.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest

from edge.bundle import Bundle
from edge.errors import ToolchainError
from faces import metrics
from quantize import accuracy
from quantize.builder import Builder, Built, Float, builder
from quantize.builders.environment import READY, environment
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits, choose
from quantize.recipe import Recipe, parse
from tests.quantize.conftest import QUICK

ENGINES = ["openvino", "tflite"]
SETTINGS = {
    "openvino": "bias_correction = true",
    "tflite": 'activations = "int8"\nuint8_input = false',
}
IN_VAIN = {
    "openvino": ('activations = "int8"', "engine 'openvino' has no activations = 'int8'"),
    "tflite": ("", "engine 'tflite' has no activations = 'uint8'; valid: 'int8', 'int16'"),
}


def recipe(engine: str, settings: str) -> Recipe:
    return parse(QUICK.format(engine=engine, settings=settings), Path("quick.toml"))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name == "openvino" and not (importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")):
        pytest.skip("needs openvino and nncf: pip install 'ferlite[build-openvino]'")
    if name == "tflite":
        own = environment("tflite")
        if not os.environ.get(own.variable) and not (own.folder / READY).is_file():
            pytest.skip(f"needs the tflite environment: build a bundle with it once, or set {own.variable}")
        pytest.importorskip("ai_edge_litert", reason="needs the engine: pip install 'ferlite[tflite]'")
    return name


@pytest.fixture
def network(source: Source, exported: Exported) -> Float:
    return Float("tiny", exported, source.input)


@pytest.mark.slow
def test_float_answers_as_onnx_does_and_int8_nearly_so(
    engine: str, network: Float, splits: Splits, start: Bundle
) -> None:
    make: Builder = builder(engine)
    plain = make.plain(network)
    reference = accuracy.answers(
        start, "onnx", Built({".onnx": network.exported.onnx}, "fp32"), splits.public, 1
    )
    given = accuracy.answers(start, engine, plain, splits.public, 1)
    assert accuracy.change(reference, given, splits.public, start.labels).agreement > 0.98
    how = recipe(engine, SETTINGS[engine])
    faces = choose(splits.train, how.calibration, 7)
    quantized = make.quantize(network, plain, how, faces)
    assert quantized.size < plain.size and quantized.precision == "int8"
    after = accuracy.answers(start, engine, quantized, splits.public, 1)
    assert accuracy.change(given, after, splits.public, start.labels).agreement > 0.9
    again = make.quantize(network, plain, how, faces)
    assert again.parts == quantized.parts


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino"], indirect=True)
def test_openvinos_weights_are_all_integers_and_its_text_is_the_same_again(
    engine: str, network: Float, splits: Splits
) -> None:
    """A depthwise filter is integers too, and only the layer that is kept in float is not."""
    make, how = builder(engine), recipe(engine, 'keep_float = ["features.2.conv.1.0"]')
    built = make.quantize(network, make.plain(network), how, splits.train.faces[:56])
    kinds: dict[str, list[str]] = {}
    layers = ElementTree.fromstring(built.parts[".xml"]).findall("layers/layer")
    for layer in layers:
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and int(data.get("size", 0)) > 60:
            kinds.setdefault(data.get("element_type", ""), []).append(data.get("shape", ""))
    weights = len(onnx_graph.layers(onnx.load_from_string(network.exported.onnx)))
    assert len(kinds["i8"]) == weights - 1
    assert sum(shape.endswith("1, 1, 3, 3") for shape in kinds["i8"]) > 10
    assert b"\n" not in built.parts[".xml"] and b"node_conv2d" not in built.parts[".xml"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["tflite"], indirect=True)
def test_tflites_surest_answers_are_not_cut_off_and_its_tables_are_stored_once(
    engine: str, network: Float, splits: Splits, start: Bundle
) -> None:
    make, how = builder(engine), recipe(engine, SETTINGS[engine] + '\nkeep_float = ["first"]')
    plain = make.plain(network)
    built = make.quantize(network, plain, how, splits.train.faces[:56])
    before, after = (
        metrics.log_softmax(accuracy.answers(start, engine, each, splits.public, 1))
        for each in (plain, built)
    )
    assert after.max(1).max() == pytest.approx(before.max(1).max(), abs=0.1)
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=built.parts[".tflite"])
    tables = [each["quantization_parameters"] for each in runner.get_tensor_details()]
    channels = sum(len(each["zero_points"]) for each in tables if len(each["zero_points"]) > 1)
    assert channels > 500 and built.size < weight_bytes(network) + 40 * channels
    floats = [each for each in runner.get_tensor_details() if each["dtype"] == np.float32]
    first = onnx_graph.layer_sizes(onnx.load_from_string(network.exported.onnx))[0]
    assert [each for each in floats if np.prod(each["shape"]) == first and 3 in each["shape"]]


def weight_bytes(network: Float) -> int:
    model = onnx.load_from_string(network.exported.onnx)
    return sum(value.size for name, value in onnx_graph.constants(model).items() if name.endswith("weight"))


def test_what_the_quantizer_cannot_do_is_refused_before_it_starts(network: Float, splits: Splits) -> None:
    plain = Built({}, "fp32")
    for name in ENGINES:
        settings, said = IN_VAIN[name]
        how = recipe(name, settings)
        with pytest.raises(ToolchainError, match=said):
            builder(name).quantize(network, plain, how, splits.train.faces)
