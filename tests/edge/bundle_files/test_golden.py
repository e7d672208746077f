"""Golden answers: the same faces everywhere, and a model that answers otherwise is noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files import golden
from edge.bundle_files.sections import Golden, InputSpec, Scaling
from edge.commands import doctor
from edge.errors import BundleInvalid, EngineMissing, EngineRefused
from tests.models import integers_throughout

MakeBundle = Callable[..., Path]
ENGINES = ["onnx", "tflite", "openvino"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    try:
        engines.engine_class(request.param).version()
    except (EngineMissing, EngineRefused) as error:
        pytest.skip(str(error))
    return str(request.param)


def taken_of(bundle: Bundle, engine: str) -> Golden:
    return golden.take(bundle, engine, bundle.model(engine))


def with_answers(make_bundle: MakeBundle, engine: str, **changes: Any) -> Path:
    """The tiny bundle with its own golden answers for one engine, ``changes`` made to them."""
    taken = dataclasses.asdict(taken_of(bundles.load(make_bundle(name="before")), engine))
    return make_bundle(lambda table: table["files"][engine].update(golden={**taken, **changes}), "after")


def test_the_faces_are_the_same_on_every_machine_and_no_two_are_alike() -> None:
    grey = golden.faces(InputSpec(48, "grey", (0.0,), (1.0,)))
    assert grey.shape == (8, 48, 48) and grey.dtype == np.uint8
    known = "1828169180ecc55d5e6a9aa3093d5e05a1005f250c3185925c1b6f311d33f638"
    assert hashlib.sha256(grey.tobytes()).hexdigest() == known
    assert len({face.tobytes() for face in grey}) == 8
    assert all(face.std() > 20 for face in grey)
    colour = golden.faces(InputSpec(20, "rgb", (0.0,) * 3, (1.0,) * 3))
    assert colour.shape == (8, 20, 20, 3) and (colour[..., 0] == colour[..., 2]).all()


def test_answers_taken_here_are_the_same_here(make_bundle: MakeBundle, engine: str) -> None:
    bundle = bundles.load(with_answers(make_bundle, engine))
    assert golden.check(bundle, engine) == golden.Outcome("same", pytest.approx(0, abs=1e-4))
    others = [name for name in ENGINES if name != engine]
    assert [golden.check(bundle, name) for name in others] == [None, None]


def test_rounding_is_close_and_another_model_is_not(make_bundle: MakeBundle, engine: str) -> None:
    taken = taken_of(bundles.load(make_bundle(name="model")), engine)
    assert np.allclose(np.sum(taken.weights, axis=1), 1, atol=1e-3)

    def with_weights(moved: float) -> Bundle:
        rows = [list(row) for row in taken.weights]
        rows[3][2] += moved
        told = {"sha256": "0" * 64, "weights": rows}
        name = f"moved{moved}"
        return bundles.load(make_bundle(lambda table: table["files"][engine].update(golden=told), name))

    near, far = golden.check(with_weights(0.02), engine), golden.check(with_weights(-0.2), engine)
    assert near is not None and near.state == "close" and near.largest == pytest.approx(0.02, abs=1e-3)
    assert far is not None and far.state == "other" and far.largest == pytest.approx(0.2, abs=1e-3)


def test_weights_are_held_at_the_engines_own_scaling(make_bundle: MakeBundle, engine: str) -> None:
    bundle = bundles.load(with_answers(make_bundle, engine))
    entry = dataclasses.replace(bundle.files[engine], scalings={"us": Scaling.of_temperature(2.0, 7)})
    hotter = dataclasses.replace(bundle, files={engine: entry}, prior="us")
    given, usual = taken_of(hotter, engine), taken_of(bundle, engine)
    assert given.sha256 == usual.sha256 and given.weights != usual.weights


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"sha256": "abc", "weights": [[0.5] * 7]}, "'sha256' is 'abc', and must be a sha256 in hex"),
        ({"sha256": "0" * 64, "weights": []}, "'weights'"),
        ({"sha256": "0" * 64, "weights": [["x"] * 7]}, "'weights'"),
        ({"sha256": "0" * 64, "weights": [[0.5] * 6]}, "must have a number per label, 7 a row"),
        ({"sha256": "0" * 64}, "files: onnx: golden: key 'weights' is missing"),
        ({"sha": "0" * 64}, "files: onnx: golden: unknown key 'sha'"),
        ("same", "files: onnx: golden: 'same' stands where a table of settings belongs"),
    ],
)
def test_wrong_answers_are_one_sentence(make_bundle: MakeBundle, told: Any, said: str) -> None:
    folder = make_bundle(lambda table: table["files"]["onnx"].update(golden=told))
    with pytest.raises(BundleInvalid) as caught:
        bundles.load(folder)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_answers_to_other_faces_are_refused(make_bundle: MakeBundle, engine: str) -> None:
    folder = with_answers(make_bundle, engine, weights=[[0.1] * 7] * 3)
    with pytest.raises(BundleInvalid, match="has 3 answers, not 8"):
        golden.check(bundles.load(folder), engine)


def test_doctor_tells_of_each_engine(make_bundle: MakeBundle, engine: str) -> None:
    folder = with_answers(make_bundle, engine)
    found = {finding.what: finding for finding in doctor.examine(str(folder), golden=True)}
    assert found[f"golden {engine}"].state == "good" and "bit for bit" in found[f"golden {engine}"].text
    table = json.loads((folder / "bundle.json").read_text())
    table["files"][engine]["golden"] = {"sha256": "0" * 64, "weights": [[1, 0, 0, 0, 0, 0, 0]] * 8}
    (folder / "bundle.json").write_text(json.dumps(table))
    findings = doctor.examine(str(folder), golden=True)
    assert not doctor.healthy(findings)
    assert "must not be trusted" in doctor.as_text(findings)
    assert not any(finding.what.startswith("golden") for finding in doctor.examine(str(folder)))


@pytest.mark.parametrize("name", bundles.shipped())
def test_shipped_bundles_answer_as_they_did_where_they_were_built(name: str, engine: str) -> None:
    """Integers from end to end give the same bits; what is float may round otherwise on this processor."""
    bundle = bundles.load(name)
    if engine not in bundle.files or bundle.files[engine].golden is None:
        pytest.skip(f"{name} has no golden answers for {engine}")
    outcome = golden.check(bundle, engine)
    assert outcome is not None and outcome.state != "other", outcome
    if engine == "tflite" and integers_throughout(bundle):
        assert outcome.state == "same", outcome
