from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge import engine as engines
from edge.bundle import Bundle, load
from edge.bundle_files import golden
from edge.classify import Classifier
from edge.commands import describe
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed, DataInvalid, UsageError
from faces import metrics, readers
from faces.labels import EXPRESSIONS
from tests.train import make
from tests.train.conftest import RECORD
from train import cli, evaluate, loop, onnx_export, recipe
from train import export as exporting
from train.checkpoint import Trained, load_run
from train.classifier import BundleSubject, RunSubject
from train.predict import predict


def exported(trained: Trained, out: Path, temperature: float) -> Bundle:
    return exporting.export(trained, exporting.describe(trained, out, temperature, [], "fer2013", 48))


def test_the_runtime_reads_from_the_bundle_what_torch_computed(bundle: Bundle, trained: Trained) -> None:
    faces = make.face_set(11, 5).faces
    running = engines.load("onnx", bundle.model("onnx"), EngineOptions(threads=1))
    classifier = Classifier(bundle, running, "NCHW")
    weights = classifier(list(faces))
    classifier.close()
    expected = metrics.softmax(predict(trained.model, faces, trained.recipe), 1.7)
    np.testing.assert_allclose(weights, expected, atol=1e-4)


def test_the_bundle_says_how_it_came_to_be(bundle: Bundle, trained: Trained) -> None:
    again = load(bundle.path)
    again.verify()
    assert again.labels == EXPRESSIONS
    assert (again.input.size, again.input.colour, again.input.mean) == (16, "grey", (127.5,))
    assert again.temperature == 1.7
    assert again.crop.landmarks[0][0] + again.crop.landmarks[1][0] == pytest.approx(1)
    assert again.crop.size == 48
    assert again.doubt.face_px > 0
    assert again.accuracy == (RECORD,)
    assert again.made_by["recipe"] == trained.recipe.text
    assert again.made_by["train"]["weights_sha256"] == trained.sha256


def test_a_bundle_is_replaced_and_a_stranger_is_not(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    content = bundle.model("onnx").parts[".onnx"]
    monkeypatch.setattr(exporting, "to_onnx", lambda trained, batch: content)
    first = exported(trained, tmp_path / "b", 1.0)
    second = exported(trained, tmp_path / "b", 2.0)
    assert (first.temperature, second.temperature) == (1.0, 2.0)
    assert sorted(each.name for each in (tmp_path / "b").iterdir()) == ["bundle.json", "model.onnx"]
    zipped = exported(trained, tmp_path / "b.zip", 2.0)
    assert replace(zipped, path=second.path) == second
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is a folder of other things: give another --out"):
        exported(trained, tmp_path / "mine", 1.0)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    with pytest.raises(DataInvalid, match=r"'lfw' are cut was never measured: known are .*fer2013"):
        exporting.describe(trained, tmp_path / "c", 1.0, [], "lfw", 48)


def test_ferlite_info_tells_of_an_export_and_its_answers_can_be_held_against(bundle: Bundle) -> None:
    facts = json.loads(json.dumps(describe.bundle(bundle.path)))
    assert facts["accuracy"][0]["images"] == 21
    text = describe.bundle_text(facts)
    assert "measured   50.00% on made-2 (n = 21), torch" in text
    outcome = golden.check(bundle, "onnx")
    assert outcome is not None and outcome.state == "same"


def test_a_wrong_export_is_caught(bundle: Bundle, trained: Trained) -> None:
    other = load_run(trained.path)
    last = other.model.get_submodule("classifier.1")
    last.bias.data += 0.5
    content = bundle.model("onnx").parts[".onnx"]
    with pytest.raises(BuildFailed, match="the ONNX export of 'tiny' differs from the network by"):
        onnx_export.check(content, other.model, torch.zeros(3, 1, 16, 16), "tiny")


def test_a_fixed_batch_is_exported_and_gives_the_same_logits(trained: Trained) -> None:
    content = exporting.to_onnx(trained, batch=3)
    engine = engines.load("onnx", ModelFile("m", {".onnx": content}), EngineOptions(threads=1))
    assert engine.inputs[0].shape == (3, 1, 16, 16) and engine.outputs[0].shape == (3, 7)
    x = torch.from_numpy(np.random.default_rng(3).normal(0, 1, (3, 1, 16, 16)).astype(np.float32))
    with torch.no_grad():
        np.testing.assert_allclose(engine.run([x.numpy()])[0], trained.model(x).numpy(), rtol=1e-3, atol=1e-4)
    engine.close()


def record(trained: Trained, path: Path, **changes: Any) -> Path:
    made: Mapping[str, Any] = evaluate.evaluate(
        RunSubject(trained), make.face_set(30, 6), make.face_set(21, 2)
    )
    path.write_text(json.dumps({**made, **changes}))
    return path


def test_what_learnt_with_priors_apart_is_exported_with_them_and_answers_as_its_run_did(
    tmp_path: Path,
) -> None:
    pack = make.write_pack(tmp_path / "fer2013.npz", 60, 42, 42)
    found = readers.read(pack, 16, search=False)
    text = make.RECIPE.replace("[data]", "[data]\nbalanced = true")
    loop.fit(
        recipe.parse(text, "apart"), found.split("train"), found.split("public"), tmp_path / "run", threads=1
    )
    common = ["--data", str(pack), "--threads", "1"]
    kept = str(tmp_path / "run.json")
    assert cli.main(["evaluate", str(tmp_path / "run"), "--split", "private", "--record", kept, *common]) == 0
    out = str(tmp_path / "bundle")
    assert cli.main(["export", str(tmp_path / "run"), "--out", out, "--evaluation", kept, *common]) == 0
    exported = load(out)
    assert {"everyday", "balanced", "fer2013", "ferplus"} <= set(exported.priors)
    assert not exported.learnt_prior and len(exported.accuracy) == 2
    of_run = json.loads(Path(kept).read_text())
    of_bundle = evaluate.evaluate(
        BundleSubject(exported, "onnx", 1), found.split("private"), found.split("public")
    )
    assert of_bundle["score"]["accuracy"] == of_run["score"]["accuracy"]
    assert of_bundle["ferplus"]["accuracy"] == of_run["ferplus"]["accuracy"]
    assert of_bundle["score"]["ece"] == pytest.approx(of_run["score"]["ece"], abs=2e-3)


def test_only_records_of_these_weights_enter_the_bundle(trained: Trained, tmp_path: Path) -> None:
    good, crowd = evaluate.accuracy_records(record(trained, tmp_path / "e.json"), trained)
    assert (crowd.data, crowd.images) == ("ferplus-6", 30)
    assert (good.data, good.images, good.engine, good.precision) == ("made-6", 30, "torch", "float32")
    assert good.macro_f1 is not None and good.fp32_accuracy is None
    for path, words in [
        (record(trained, tmp_path / "w.json", model={"weights_sha256": "0" * 64}), "other weights"),
        (record(trained, tmp_path / "s.json", schema=99), "has schema 99, and this ferlite reads 1"),
        (tmp_path / "none.json", "No such file"),
    ]:
        with pytest.raises(DataInvalid, match=words):
            evaluate.accuracy_records(path, trained)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataInvalid, match="is not JSON"):
        evaluate.accuracy_records(tmp_path / "x.json", trained)
