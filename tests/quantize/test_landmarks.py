"""The landmark network's bundle: int8 by the builders of every bundle, and what a board says with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge import bundle as bundles
from edge.engine import EngineOptions
from edge.landmarks import Landmarker
from quantize import cli
from quantize.builder import Built, Float
from quantize.builders.onnx import OnnxBuilder
from quantize.kinds import landmarks as export
from quantize.kinds import landmarks_lean as lean
from quantize.recipe import Recipe
from tests.train.test_landmarks import SMALL, faces
from train.landmarks import change, judge, learn, marked


def test_a_bundle_of_it_answers_like_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    learn.fit(SMALL, faces(), tmp_path)
    learnt = learn.load_learnt(tmp_path)
    monkeypatch.setattr(export, "MOST_LOST", 1.0)
    held = judge.judge(faces(), learnt.ask)
    built, _ = export.climb_of(learnt, faces(), faces(), export.exported(learnt), held)("onnx")
    made = export.bundle(learnt, {"onnx": built}, tmp_path / "landmarks", {})
    assert made.kind == "landmarks" and not made.labels and made.schema == 2
    crops = change.plain(faces()).pictures
    points, logits = learnt.ask(crops)
    reader = Landmarker(bundles.load(tmp_path / "landmarks"), "onnx", EngineOptions(threads=1))
    found, seen = reader([crop[0].astype(np.uint8) for crop in crops])
    reader.close()
    # 8 bits of a range of about one crop: a step is 0.4 % of its side.
    assert np.abs(found - points).mean() < 0.01
    assert np.abs(seen - 1 / (1 + np.exp(-logits))).mean() < 0.05
    asked = export.asker(built, "onnx", export.spec_of(learnt))
    record = judge.judge(faces(), asked)
    assert record["error"] == pytest.approx(judge.judge(faces(), learnt.ask)["error"], abs=0.02)


def test_the_verb_builds_from_a_run_and_writes_what_int8_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    # Two steps of training on a few faces: what int8 costs is left to chance, and only told.
    monkeypatch.setattr(export, "MOST_LOST", 1.0)
    learn.fit(SMALL, faces(), tmp_path / "run")
    marked.write(faces(), tmp_path / "run" / "learn.npz")
    marked.write(faces(), tmp_path / "run" / "test.npz")
    words = ["landmarks", str(tmp_path / "run"), "--out", str(tmp_path / "made"), "--json"]
    assert cli.main([*words, "--record", str(tmp_path / "record.json")]) == 0
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    row = record["engines"]["onnx"]
    assert (
        list(record["engines"]) == ["onnx"] and row["bytes"] > 0 and row["passed"] and row["ships"] == "int8"
    )
    assert max(row["rungs"][-1]["lost"].values()) <= record["gate"]["most_lost"]
    assert row["error"] - record["error"] == pytest.approx(row["rungs"][-1]["lost"]["error"], abs=1e-5)
    assert record["met"] is False and record["command"].startswith(
        "ferlite quantize landmarks run --out made"
    )
    card = (tmp_path / "made" / "CARD.md").read_text(encoding="utf-8")
    assert "passed, onnx-minmax" in card and "not met" in card and "What it must not be used for" in card
    assert bundles.load(tmp_path / "made").made_by["train"]["recipe"] == "small"
    assert '"engines"' in capsys.readouterr().out
    assert cli.main([*words[:3], str(tmp_path / "more"), "--engines", "tensorrt"]) == 2
    assert "'tensorrt'" in capsys.readouterr().err


def test_where_no_int8_passes_the_float_network_ships_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    learn.fit(SMALL, faces(), tmp_path / "run")
    marked.write(faces(), tmp_path / "run" / "learn.npz")
    marked.write(faces(), tmp_path / "run" / "test.npz")
    monkeypatch.setattr(export, "MOST_LOST", -1.0)
    assert cli.main(["landmarks", str(tmp_path / "run"), "--out", str(tmp_path / "made")]) == 1
    assert "fp32, mean error" in capsys.readouterr().out
    loaded = bundles.load(tmp_path / "made")
    assert loaded.files["onnx"].precision == "fp32"
    assert "no int8 recipe passed" in (tmp_path / "made" / "CARD.md").read_text(encoding="utf-8")


def test_a_map_that_no_face_wakes_is_left_out_and_nothing_is_said_otherwise(tmp_path: Path) -> None:
    learn.fit(SMALL, faces(), tmp_path)
    learnt = learn.load_learnt(tmp_path)
    assert lean.wakes(learnt, faces()) > 0.5
    with torch.no_grad():
        learnt.network.coarse.bias.fill_(-1e6)
    assert lean.wakes(learnt, faces()) == 0
    without = replace(learnt, network=lean.WithoutCoarse(learnt.network).eval())
    crops = change.plain(faces()).pictures
    for ours, theirs in zip(without.ask(crops), learnt.ask(crops), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    sizes = [sum(each.numel() for each in one.network.parameters()) for one in (without, learnt)]
    assert sizes[0] < sizes[1]
    assert export.exported(without).error < 1e-3


def test_a_rung_whose_model_no_engine_loads_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    learn.fit(SMALL, faces(), tmp_path)
    learnt = learn.load_learnt(tmp_path)
    monkeypatch.setattr(export, "MOST_LOST", 1.0)
    sound = OnnxBuilder.quantize

    def first_damaged(self: OnnxBuilder, network: Float, plain: Built, recipe: Recipe, crops: Any) -> Built:
        built = sound(self, network, plain, recipe, crops)
        return replace(built, parts={".onnx": b"damaged"}) if recipe.name == "onnx-minmax" else built

    monkeypatch.setattr(OnnxBuilder, "quantize", first_damaged)
    held = judge.judge(faces(), learnt.ask)
    built, row = export.climb_of(learnt, faces(), faces(), export.exported(learnt), held)("onnx")
    assert built.precision == "int8" and row["passed"] and row["recipe"] == "onnx-mse"
    assert "failed" in row["rungs"][0] and not row["rungs"][0]["passed"]
