"""OpenVINO's and LiteRT's builders on the tiny network, in the engine that each is for.

Each needs its own libraries, gigabytes of them; where they are missing the test says how to get them.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from edge.bundle import Bundle
from edge.errors import ToolchainError
from quantize import accuracy
from quantize.builder import Builder, Built, Float, builder
from quantize.calibrate import Splits, choose
from quantize.environment import READY, environment
from quantize.export import Exported
from quantize.recipe import Recipe, parse
from quantize.source import Source
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


def test_what_the_quantizer_cannot_do_is_refused_before_it_starts(network: Float, splits: Splits) -> None:
    plain = Built({}, "fp32")
    for name in ENGINES:
        settings, said = IN_VAIN[name]
        how = recipe(name, settings)
        with pytest.raises(ToolchainError, match=said):
            builder(name).quantize(network, plain, how, splits.train.faces)
