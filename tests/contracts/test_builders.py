"""ONE contract over every builder: from a tiny trained network to a bundle that reads a photograph."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="building needs torch: make setup-train")
pytest.importorskip("onnx", reason="building needs onnx: make setup-train")

from edge import bundle as bundles
from edge.cli import main as ferlite
from edge.errors import ToolchainError
from quantize.builder import Built, Float, builder
from quantize.builders.environment import READY, environment
from quantize.builders.table import BUILDERS
from quantize.cli import main
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits, choose
from quantize.recipe import Recipe, load
from tests.quantize.conftest import crop_file, exported, one_thread, pack, run, source, splits
from tests.required import absent

__all__ = ["crop_file", "exported", "one_thread", "pack", "run", "source", "splits"]

SETTINGS = {
    "onnx": "",
    "openvino": "bias_correction = true",
    "tflite": 'activations = "int8"\nuint8_input = false',
}
RECIPE = """schema = 1
name = "quick-{engine}"
engine = "{engine}"
[calibration]
faces = 56
[quantize]
{settings}
"""
LADDER = """schema = 1
name = "all"
[gate]
drop = 5
board_drop = 10
agreement = 0.8
ratio = 1000
[sensitivity]
faces = 0
[engines]
{rungs}
"""


def missing(engine: str) -> str:
    """What this machine lacks to build for ``engine`` and to run what was built; "" where nothing."""
    if engine == "onnx":
        return "" if importlib.util.find_spec("onnxruntime") else "needs onnxruntime: make setup-train"
    if engine == "openvino":
        found = importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")
        return "" if found else "needs openvino and nncf: pip install 'ferlite[build-openvino]'"
    own = environment("tflite")
    if not importlib.util.find_spec("ai_edge_litert"):
        return "needs the engine: pip install 'ferlite[tflite]'"
    ready = os.environ.get(own.variable) or (own.folder / READY).is_file()
    return "" if ready else "needs the tflite environment: make setup-builders"


@pytest.fixture(params=list(BUILDERS))
def engine(request: pytest.FixtureRequest) -> str:
    if lack := missing(request.param):
        absent(request.param, lack)
    return str(request.param)


@pytest.fixture(scope="session")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder of one quick recipe per engine; the tiny network's speed on a busy machine proves nothing.

    Nor does a point on a domain: of 105 faces of 16 pixels made smaller still, one is a point.
    """
    folder = tmp_path_factory.mktemp("ladder")
    for name, settings in SETTINGS.items():
        text = RECIPE.format(engine=name, settings=settings)
        (folder / f"quick-{name}.toml").write_text(text, encoding="utf-8")
    rungs = "\n".join(f'{name} = ["quick-{name}"]' for name in SETTINGS)
    (folder / "all.toml").write_text(LADDER.format(rungs=rungs), encoding="utf-8")
    return folder / "all.toml"


@pytest.fixture(scope="session")
def bundle(
    run: Path, pack: Path, ladder: Path, crop_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """One bundle for every engine that can be built for here, made by the command itself."""
    out = tmp_path_factory.mktemp("bundles") / "tiny"
    here = ",".join(name for name in BUILDERS if not missing(name))
    words = ["build", run, "--data", pack, "-o", out, "--ladder", ladder, "--crop", crop_file]
    assert main([*map(str, words), "--engines", here, "--threads", "1"]) == 0
    return out


@pytest.fixture
def recipe(engine: str, ladder: Path) -> Recipe:
    return load(str(ladder.parent / f"quick-{engine}.toml"))


@pytest.fixture
def network(source: Source, exported: Exported) -> Float:
    return Float("tiny", exported, source.input)


def parts(where: Path, engine: str) -> dict[str, bytes]:
    return dict(bundles.load(where).model(engine).parts)


def test_every_builder_is_covered_here() -> None:
    assert set(SETTINGS) == set(BUILDERS) == set(INTEGERS)


def test_the_same_faces_and_recipe_give_the_same_bytes(
    engine: str, bundle: Path, network: Float, splits: Splits, recipe: Recipe
) -> None:
    make = builder(engine)
    faces = choose(splits.train, recipe.calibration, 7)
    again = make.quantize(network, make.plain(network), recipe, faces)
    assert again.precision == "int8" and dict(again.parts) == parts(bundle, engine)


def of_onnx(model: dict[str, bytes]) -> int:
    import onnx

    values = onnx_graph.constants(onnx.load_from_string(model[".onnx"]))
    return sum(value.size for value in values.values() if value.dtype == np.int8 and value.ndim > 1)


def of_openvino(model: dict[str, bytes]) -> int:
    sizes = 0
    for layer in ElementTree.fromstring(model[".xml"]).findall("layers/layer"):
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and data.get("element_type") == "i8":
            sizes += int(data.get("size", 0))
    return sizes


def of_tflite(model: dict[str, bytes]) -> int:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model[".tflite"])
    # Weights have a scale per channel, activations one in all.
    return sum(
        int(np.prod(each["shape"]))
        for each in runner.get_tensor_details()
        if each["dtype"] == np.int8 and len(each["quantization_parameters"]["scales"]) > 1
    )


INTEGERS: dict[str, Callable[[dict[str, bytes]], int]] = {
    "onnx": of_onnx,
    "openvino": of_openvino,
    "tflite": of_tflite,
}


def test_every_weight_is_one_byte(engine: str, bundle: Path, network: Float) -> None:
    import onnx

    wanted = sum(onnx_graph.layer_sizes(onnx.load_from_string(network.exported.onnx)))
    assert INTEGERS[engine](parts(bundle, engine)) == wanted


def test_int8_answers_nearly_as_float_and_as_well(engine: str, bundle: Path) -> None:
    record = json.loads((bundle / "build.json").read_text(encoding="utf-8"))["engines"][engine]
    assert record["passed"]
    for row in record["figures"]:
        assert row["change"]["agreement"] > 0.9
        assert row["plain"]["accuracy"] > 0.7 and row["shipped"]["accuracy"] > 0.7


@pytest.mark.parametrize("spoilt", ["none", "float", "a face alone"], ids=lambda word: word.replace(" ", "-"))
def test_bad_calibration_faces_are_refused_in_one_sentence(
    engine: str, network: Float, splits: Splits, recipe: Recipe, spoilt: str
) -> None:
    faces: Any = splits.train.faces[:8]
    given = {"none": faces[:0], "float": faces / 255.0, "a face alone": faces[0]}[spoilt]
    with pytest.raises(ToolchainError, match="calibration wants grey faces uint8") as caught:
        builder(engine).quantize(network, Built({}, "fp32"), recipe, given)
    assert "\n" not in str(caught.value)


def test_the_bundle_reads_a_photograph(
    engine: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="the photograph comes inside matplotlib")
    photograph = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    assert cv2.imread(str(photograph)) is not None
    words = ["run", str(photograph), "--bundle", str(bundle), "--engine", engine, "--detector", "haar"]
    assert ferlite([*words, "--json", "--quiet"]) == 0
    (face,) = json.loads(capsys.readouterr().out)["faces"]
    assert set(face["weights"]) == set(bundles.load(bundle).labels)
    assert sum(face["weights"].values()) == pytest.approx(1, abs=1e-3)
