"""An .onnx model as what is quantized: read layer by layer, described by the .toml beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from edge import bundle as bundles
from edge.bundle_files.sections import InputSpec
from edge.engine import EngineOptions, ModelFile, load
from edge.errors import DataInvalid, RecipeInvalid, ToolchainError
from faces.labels import EXPRESSIONS
from quantize.cli import main
from quantize.network.export import Exported, export
from quantize.network.load import load_source
from quantize.network.normal_form import normal_form
from quantize.network.onnx_to_torch import OPERATORS, to_torch
from quantize.network.source import Source
from tests.quantize.forms import FORMS
from tests.quantize.forms import model as form_model

ABOUT = """schema = 1
name = "theirs"
labels = {labels}
trained_on = "bars that were made by a test"
terms = "do as you like"
[input]
size = 16
colour = "grey"
mean = [100.5]
std = [60.0]
"""


def describe(path: Path, **changes: Any) -> Path:
    """Write the .toml beside the model ``path``, each of ``changes`` made to it (old -> new)."""
    text = ABOUT.format(labels=json.dumps(changes.pop("labels", EXPRESSIONS)))
    for old, new in changes.pop("text", {}).items():
        assert old in text
        text = text.replace(old, new)
    path.with_suffix(".toml").write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def model(exported: Exported, tmp_path: Path) -> Path:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(exported.onnx)
    return describe(path)


def answers(content: bytes, x: np.ndarray) -> np.ndarray:
    engine = load("onnx", ModelFile("m", {".onnx": content}), EngineOptions(threads=1))
    try:
        return np.concatenate([engine.run([each[None]])[0] for each in x])
    finally:
        engine.close()


def test_a_model_is_read_with_its_layers_names_and_exports_to_the_same_answers(
    model: Path, source: Source, exported: Exported
) -> None:
    read = load_source(model)
    assert (read.name, read.recipe_file, read.labels) == ("theirs", "model.toml", EXPRESSIONS)
    assert {"features.0.0.weight", "classifier.1.bias"} <= set(read.network.state_dict())
    x = source.example(3)
    with torch.no_grad():
        given, wanted = (each.network(torch.from_numpy(x)).numpy() for each in (read, source))
    np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-4)
    again = export(read)
    np.testing.assert_allclose(answers(again.onnx, x), answers(exported.onnx, x), rtol=1e-3, atol=1e-4)


def graph(nodes: list[Any], weights: dict[str, np.ndarray], channels: int = 3, size: int = 9) -> Any:
    """A model of ``nodes`` from "x" to "y" and so [2, 7]."""
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, channels, size, size])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 7])],
            [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return made


def node(kind: str, given: list[str], gives: str, **settings: Any) -> Any:
    return helper.make_node(kind, given, [gives], name=f"n_{gives}", **settings)


RNG = np.random.default_rng(1)
W, V = RNG.normal(0, 1, (4, 3, 3, 3)), RNG.normal(0, 1, (4,))
HEAD = [("Flatten", ["h"], "f", {}), ("Gemm", ["f", "m", "b"], "y", {"transB": 1})]
BODIES: dict[str, list[tuple[str, list[str], str, dict[str, Any]]]] = {
    "uneven pads, stride": [
        ("Conv", ["x", "w", "v"], "c", {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
        ("Relu", ["c"], "r", {}),
        ("GlobalAveragePool", ["r"], "h", {}),
    ],
    "depthwise, dilated": [
        ("Conv", ["x", "d"], "c", {"group": 3, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        ("HardSwish", ["c"], "s", {}),
        ("Conv", ["s", "w"], "e", {}),
        ("ReduceMean", ["e"], "h", {"axes": [2, 3]}),
    ],
    "squeeze and excite": [
        ("Conv", ["x", "w"], "c", {}),
        ("GlobalAveragePool", ["c"], "p", {}),
        ("HardSigmoid", ["p"], "g", {"alpha": 1 / 6}),
        ("Mul", ["c", "g"], "e", {}),
        ("MaxPool", ["e"], "q", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("ReduceMean", ["q"], "h", {"axes": [-1, -2], "keepdims": 0}),
    ],
    "normalised, constants": [
        ("Sub", ["x", "half"], "z", {}),
        ("Conv", ["z", "w"], "c", {}),
        ("BatchNormalization", ["c", "v", "v", "v", "big"], "n", {"epsilon": 1e-3}),
        ("Clip", ["n", "zero", "six"], "r", {}),
        ("LeakyRelu", ["n"], "l", {}),
        ("Add", ["r", "l"], "a", {}),
        ("Sigmoid", ["a"], "s", {}),
        ("Div", ["s", "half"], "i", {}),
        ("Concat", ["i", "a"], "j", {"axis": 1}),
        ("Conv", ["j", "k"], "t", {}),
        ("Tanh", ["t"], "u", {}),
        ("Elu", ["u"], "o", {}),
        ("AveragePool", ["o"], "h", {"kernel_shape": [7, 7]}),
    ],
}
WEIGHTS = {
    "w": W,
    "v": V,
    "d": RNG.normal(0, 1, (3, 1, 3, 3)),
    "m": RNG.normal(0, 1, (7, 4)),
    "b": RNG.normal(0, 1, 7),
    "big": np.abs(V) + 0.5,
    "k": RNG.normal(0, 1, (4, 8, 1, 1)),
    "half": np.array(0.5),
    "zero": np.array(0.0),
    "six": np.array(6.0),
}


def in_torch(made: Any, x: np.ndarray) -> np.ndarray:
    """The torch network's answers that the model is read into."""
    normal = normal_form(made.SerializeToString(), InputSpec(9, "rgb", (0.0,) * 3, (1.0,) * 3), 7, "m.onnx")
    with torch.no_grad():
        return np.asarray(to_torch(normal.graph, "m.onnx")(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("body", BODIES, ids=lambda name: name.replace(" ", "-"))
def test_every_operator_computes_what_onnx_runtime_computes(body: str) -> None:
    steps = [*BODIES[body], *HEAD]
    used = {name for _, given, _, _ in steps for name in given}
    made = graph(
        [node(kind, given, gives, **settings) for kind, given, gives, settings in steps],
        {name: value for name, value in WEIGHTS.items() if name in used},
    )
    x = np.random.default_rng(2).normal(0, 1, (2, 3, 9, 9)).astype(np.float32)
    given = in_torch(made, x)
    engine = load("onnx", ModelFile("m", {".onnx": made.SerializeToString()}), EngineOptions(threads=1))
    np.testing.assert_allclose(given, engine.run([x])[0], rtol=1e-4, atol=1e-4)
    engine.close()


def test_the_forms_that_older_exporters_write_are_read() -> None:
    """A reshape to (size of the batch, -1), a matrix product and its sum, and a softmax at the end."""
    nodes = [
        node("GlobalAveragePool", ["x"], "p"),
        node("Shape", ["x"], "s"),
        node("Constant", [], "first", value=numpy_helper.from_array(np.array(0, np.int64))),
        node("Gather", ["s", "first"], "n", axis=0),
        node("Constant", [], "axis", value=numpy_helper.from_array(np.array([0], np.int64))),
        node("Unsqueeze", ["n", "axis"], "n1"),
        node("Constant", [], "rest", value=numpy_helper.from_array(np.array([-1], np.int64))),
        node("Concat", ["n1", "rest"], "shape", axis=0),
        node("Reshape", ["p", "shape"], "flat"),
        node("Identity", ["flat"], "same"),
        node("Dropout", ["same"], "kept"),
        node("MatMul", ["kept", "m3"], "product"),
        node("Add", ["product", "b"], "sum"),
        node("Softmax", ["sum"], "y", axis=1),
    ]
    made = graph(nodes, {"m3": RNG.normal(0, 1, (3, 7)), "b": WEIGHTS["b"]})
    x = np.random.default_rng(2).normal(0, 1, (2, 3, 9, 9)).astype(np.float32)
    given = np.exp(in_torch(made, x))
    given /= given.sum(1, keepdims=True)
    engine = load("onnx", ModelFile("m", {".onnx": made.SerializeToString()}), EngineOptions(threads=1))
    np.testing.assert_allclose(given, engine.run([x])[0], rtol=1e-4, atol=1e-5)
    engine.close()


def test_every_operator_of_the_table_is_tried_above() -> None:
    tried = {kind for body in BODIES.values() for kind, *_ in body} | {kind for kind, *_ in HEAD}
    tried |= {
        node.op_type for form in FORMS.values() if not form.unread for node in form_model(form).graph.node
    }
    assert set(OPERATORS) - tried == {"MatMul", "Softmax"} - tried


def test_labels_in_another_order_are_built_and_measured_in_that_order(
    model: Path, source: Source, pack: Path, ladder_file: Path, crop_file: Path, tmp_path: Path
) -> None:
    """The last layer's rows turned round, and the .toml saying so, give a bundle that is as often right."""
    proto = onnx.load(model)
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("classifier.1"):
            turned = numpy_helper.to_array(tensor)[::-1].copy()
            tensor.CopyFrom(numpy_helper.from_array(turned, tensor.name))
    onnx.save(proto, model)
    describe(model, labels=EXPRESSIONS[::-1])
    out = tmp_path / "theirs"
    words = ["build", model, "--data", pack, "-o", out, "--ladder", ladder_file, "--crop", crop_file]
    assert main([*map(str, words), "--threads", "1"]) == 0
    bundle = bundles.load(out)
    assert bundle.labels == EXPRESSIONS[::-1] and bundle.name == "theirs"
    # Under FER2013's prior, which the made faces do not have; in a wrong order it would be a seventh.
    assert all(each.accuracy > 0.6 for each in bundle.accuracy)
    assert (out / "model.toml").read_text() == model.with_suffix(".toml").read_text()
    card = (out / "CARD.md").read_text()
    assert "bars that were made by a test" in card and "do as you like" in card and "ICONIP" not in card
    assert main(["verify", str(out), "--data", str(pack), "--threads", "1"]) == 0


def changed(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        proto = onnx.load(path)
        change(proto)
        onnx.save(proto, path)

    return apply


def no_rank(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.ClearField("shape")


def nan(proto: Any) -> None:
    tensor = next(each for each in proto.graph.initializer if each.name == "features.0.0.weight")
    values = numpy_helper.to_array(tensor).copy()
    values.flat[3] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def replace_operator(proto: Any) -> None:
    clip = next(each for each in proto.graph.node if each.op_type == "Clip")
    clip.op_type = "NoSuchOperator"
    del clip.input[1:]


def quantized(proto: Any) -> None:
    first = proto.graph.node[0]
    proto.graph.node.insert(0, helper.make_node("QuantizeLinear", [first.input[0], "s"], ["q"]))


def control_flow(proto: Any) -> None:
    inner = helper.make_graph([], "inner", [], [])
    proto.graph.node.append(helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner))


def cut_before_the_head(proto: Any) -> None:
    pool = next(each for each in proto.graph.node if each.op_type == "GlobalAveragePool")
    proto.graph.output[0].name = pool.output[0]
    proto.graph.output[0].type.tensor_type.ClearField("shape")


def second_output(proto: Any) -> None:
    proto.graph.output.append(helper.make_tensor_value_info(proto.graph.node[0].output[0], 1, None))


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no toml": (
        lambda path: path.with_suffix(".toml").unlink(),
        "needs its labels and its input described in",
    ),
    "unknown key": (
        lambda path: describe(path, text={"[input]": "speed = 1\n[input]"}),
        "unknown key 'speed'",
    ),
    "six labels": (lambda path: describe(path, labels=EXPRESSIONS[:6]), "'labels' must be anger, disgust"),
    "no terms": (lambda path: describe(path, text={"terms": "# "}), "key 'terms' is missing"),
    "no mean": (lambda path: describe(path, text={"mean": "# "}), "'mean' is missing"),
    "two means": (lambda path: describe(path, text={"[100.5]": "[1.0, 2.0]"}), "'mean' is (1.0, 2.0)"),
    "size": (
        lambda path: describe(path, text={"size = 16": "size = '16'"}),
        "'size' is '16', and must be a whole number",
    ),
    "other size": (
        lambda path: describe(path, text={"size = 16": "size = 20"}),
        "its input is N x 1 x 16 x 16",
    ),
    "not onnx": (lambda path: path.write_bytes(b"\x00" * 100), "is not"),
    "empty": (lambda path: path.write_bytes(b""), "is not a valid ONNX model"),
    "absent": (lambda path: path.unlink(), "cannot be read: No such file"),
    "dynamic rank": (changed(no_rank), "the rank of its input 'faces' is not fixed, and must be 4"),
    "nan": (changed(nan), "weight 'features.0.0.weight' holds values that are not finite numbers"),
    "operator": (changed(replace_operator), "is not a valid ONNX model: No Op registered for NoSuchOperator"),
    "quantized": (changed(quantized), "is quantized already: give the model from before quantization"),
    "control flow": (changed(control_flow), "operator If ('') chooses between graphs of its own"),
    "no classifier": (changed(cut_before_the_head), "is no classifier of 7 labels: 5 faces give (5, "),
    "two outputs": (changed(second_output), "it has 1 inputs and 2 outputs, and must have one each"),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_bad_models_are_one_sentence_and_leave_nothing(
    model: Path, pack: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = BAD[case]
    spoil(model)
    with pytest.raises(ToolchainError) as caught:
        load_source(model)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    out = tmp_path / "out"
    assert main(["build", str(model), "--data", str(pack), "-o", str(out)]) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
    assert not out.exists() and not out.with_name("out.building").exists()


def test_a_wrong_class_count_is_told_with_both_numbers(model: Path) -> None:
    proto = onnx.load(model)
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("classifier.1"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:5].copy(), tensor.name))
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5
    onnx.save(proto, model)
    with pytest.raises(
        DataInvalid, match=r"is no classifier of 7 labels: 5 faces give \(5, 5\), not \(5, 7\)"
    ):
        load_source(model)


def test_a_model_that_is_int8_already_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "q.onnx").write_bytes((built / "model.onnx").read_bytes())
    with pytest.raises((DataInvalid, RecipeInvalid), match="give the model from before quantization"):
        load_source(describe(tmp_path / "q.onnx"))
