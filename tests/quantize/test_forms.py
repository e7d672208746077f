"""Every form of ONNX classifier that people have goes through the engines and answers like the file."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.bundle_files.sections import InputSpec
from edge.classify import to_input
from edge.engine import EngineOptions, ModelFile, load
from edge.errors import ToolchainError
from faces.answers import as_seen
from quantize.builder import Built, Float, builder
from quantize.network import onnx_graph
from quantize.network.export import Exported, export
from quantize.network.normal_form import NormalForm, logits, normal_form
from quantize.network.onnx_run import batch_size, of_faces
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.prepare.steps import prepare
from quantize.recipe import parse
from tests.quantize.forms import FORMS, SIZE, Form, model

# ImageNet's normalisation: channel by channel another.
SPEC = InputSpec(SIZE, "rgb", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
FACES = np.random.default_rng(3).integers(0, 256, (64, SIZE, SIZE), np.uint8)
RECIPE = """schema = 1
name = "all"
engine = "{engine}"
[calibration]
faces = 56
[quantize]
bias_correction = true
equalization = "unclipped"
"""
# Signal over error of int8's logits. NNCF's weights of a lone small linear layer on signed values are coarse.
LEAST = {"onnx": 25.0, "openvino": 5.0}


@pytest.fixture(params=FORMS, ids=lambda name: re.sub(r"\W+", "-", name))
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


@pytest.fixture
def wanted(form: Form) -> Any:
    """What the file itself answers to the first 48 faces, but for a constant per face."""
    x = calibrate.inputs(FACES[:48], SPEC, "NHWC" if "16, 16, 3]" in form.given else "NCHW")
    return centred(logits(of_faces(model(form), x.astype(np.float16) if form.half else x).astype(np.float32)))


@pytest.fixture
def normal(form: Form) -> NormalForm:
    return normal_form(model(form).SerializeToString(), SPEC, 7, "theirs.onnx")


def centred(answers: Any) -> Any:
    return answers - answers.mean(1, keepdims=True)


def answers(engine: str, built: Built) -> Any:
    running = load(engine, ModelFile("theirs", built.parts), EngineOptions(threads=1))
    x = to_input(list(as_seen(FACES[:48], 3)), SPEC, built.layout, running.inputs[0].dtype)
    step = running.inputs[0].shape[0] or len(x)
    try:
        return centred(np.concatenate([running.run([x[at : at + step]])[0] for at in range(0, len(x), step)]))
    finally:
        running.close()


def source(normal: NormalForm) -> Source:
    return Source(
        "theirs", "network", None, ("a", "b", "c", "d", "e", "f", "g"), SPEC, "", "", "", graph=normal
    )


@pytest.mark.parametrize("engine", LEAST)
def test_it_is_built_in_float_and_int8_and_answers_like_the_file(
    engine: str, form: Form, normal: NormalForm, wanted: Any
) -> None:
    if engine == "openvino" and not (
        importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")
    ):
        pytest.skip("needs openvino and nncf: pip install 'ferlite[build-openvino]'")
    network, make = Float("theirs", Exported(normal.graph, None, normal.error), SPEC), builder(engine)
    plain = make.plain(network)
    largest = np.abs(wanted).max()
    tolerance = 3e-2 if form.half or "to = 10" in form.nodes else 1e-3
    assert np.abs(answers(engine, plain) - wanted).max() < tolerance * largest
    recipe = parse(RECIPE.format(engine=engine), Path("all.toml"))
    prepared = prepare(network, recipe, FACES[:56], corrects_bias=make.corrects_bias)
    again = plain if prepared is network else make.plain(prepared)
    built = make.quantize(prepared, again, recipe, FACES[:56])
    assert built.precision == "int8"
    given = answers(engine, built)
    assert 10 * np.log10((wanted**2).sum() / ((given - wanted) ** 2).sum()) > LEAST[engine]
    assert given.shape == (48, 7)


def test_its_normal_form_takes_any_number_of_faces_and_names_its_layers(
    form: Form, normal: NormalForm
) -> None:
    made = normal.model()
    onnx.checker.check_model(made, full_check=True)
    assert batch_size(made) == form.fixed
    assert [value.name for value in (*made.graph.input, *made.graph.output)] == ["faces", "logits"]
    names = [name for _, name in onnx_graph.layers(made)]
    assert len(names) == len(set(names)) >= 2
    assert all(re.fullmatch(r"[A-Za-z0-9_.]+", name) for name in names)
    assert not {node.op_type for node in made.graph.node} & {"Constant", "Identity", "Dropout", "Shape"}
    assert normal_form(model(form).SerializeToString(), SPEC, 7, "theirs.onnx").graph == normal.graph


def test_it_is_read_into_torch_or_refused_in_one_sentence(
    form: Form, normal: NormalForm, wanted: Any
) -> None:
    """What LiteRT's converter starts from; ``Source.network`` holds torch's answers against the graph's."""
    if form.unread:
        with pytest.raises(ToolchainError, match=form.unread) as caught:
            export(source(normal), program=True)
        assert "\n" not in str(caught.value)
        return
    exported = export(source(normal), program=True)
    assert exported.onnx == normal.graph and exported.program
    network = Float("theirs", exported, SPEC)
    recipe = parse(RECIPE.format(engine="tflite"), Path("all.toml"))
    changed = prepare(network, recipe, FACES[:56]).exported
    assert changed.onnx != exported.onnx and changed.program is not None
    import torch

    x = calibrate.inputs(FACES[:4], SPEC)
    program = torch.export.load(io.BytesIO(changed.program)).module()
    with torch.no_grad():
        given = np.concatenate([program(torch.from_numpy(face[None])).numpy() for face in x])
    there = of_faces(onnx.load_from_string(changed.onnx), x)
    np.testing.assert_allclose(given, there, rtol=1e-3, atol=1e-3 * np.abs(there).max())


def test_a_graph_needs_no_torch_until_an_engine_does() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import quantize.build, quantize.network.load, quantize.builders.onnx, quantize.builders.openvino\n"
        "from tests.quantize.test_forms import SPEC, FORMS, model, normal_form, source, export\n"
        "form = normal_form(model(FORMS['prelu']).SerializeToString(), SPEC, 7, 'x')\n"
        "assert export(source(form), program=False).program is None\n"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
