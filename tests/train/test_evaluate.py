from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.classify import at_size
from edge.errors import DataInvalid
from faces import metrics
from faces.labels import EXPRESSIONS
from tests.train import make
from train import evaluate, loop
from train.checkpoint import Trained, load_run
from train.classifier import RunSubject
from train.predict import predict
from train.recipe import Recipe


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from train import recipe

    out = tmp_path_factory.mktemp("run")
    loop.fit(recipe.parse(make.RECIPE, "tiny"), make.face_set(40, 1), make.face_set(21, 2), out, threads=1)
    return out


@pytest.fixture
def trained(run_folder: Path) -> Trained:
    return load_run(run_folder)


def test_predict_gives_each_face_what_it_gets_alone(trained: Trained) -> None:
    faces = make.face_set(9, 5).faces
    together = predict(trained.model, faces, trained.recipe)
    assert together.shape == (9, 7)
    assert together.dtype == np.float32
    in_parts = predict(trained.model, faces, trained.recipe, batch=2)
    np.testing.assert_allclose(together, in_parts, atol=1e-4)


def test_a_record_says_what_was_measured(trained: Trained) -> None:
    test, public = make.face_set(30, 6), make.face_set(21, 2)
    record = evaluate.evaluate(RunSubject(trained), test, public)
    assert json.loads(json.dumps(record)) == record
    assert (record["schema"], record["kind"]) == (1, "ferlite-evaluation")
    assert record["data"] == {"name": "made-6", "faces": 30, "sha256": test.sha256}
    assert record["model"]["recipe_sha256"] == trained.recipe.sha256
    assert len(record["model"]["weights_sha256"]) == 64
    logits = predict(trained.model, test.faces, trained.recipe)
    predicted = logits.argmax(1)
    total = record["score"]
    assert total["accuracy"] == pytest.approx((predicted == test.labels).mean())
    assert total["interval"][0] < total["accuracy"] < total["interval"][1]
    assert np.array(total["confusion"]).sum() == total["count"] == 30
    assert [row["count"] for row in total["per_class"].values()] == np.bincount(
        test.labels, minlength=7
    ).tolist()
    assert list(total["per_class"]) == list(EXPRESSIONS)
    cal = record["calibration"]
    assert cal["fitted_on"] == "made-2"
    chances = metrics.softmax(logits, cal["temperature"])
    assert cal["ece_after"] == pytest.approx(metrics.expected_calibration_error(chances, test.labels))
    assert cal["ece_before"] == pytest.approx(
        metrics.expected_calibration_error(metrics.softmax(logits), test.labels)
    )


def test_ferplus_is_scored_on_agreed_faces_only(trained: Trained) -> None:
    test = make.face_set(30, 6)
    predicted = predict(trained.model, test.faces, trained.recipe).argmax(1)
    majority = predicted.copy()
    majority[:10] = -1
    record = evaluate.evaluate(RunSubject(trained), replace(test, majority=majority), make.face_set(21, 2))
    assert record["ferplus"]["count"] == 20
    assert record["ferplus"]["accuracy"] == 1.0
    none = evaluate.evaluate(
        RunSubject(trained), replace(test, majority=np.full(30, -1)), make.face_set(21, 2)
    )
    assert none["ferplus"] is None


def test_nothing_to_score_is_told() -> None:
    with pytest.raises(DataInvalid, match="no labelled face"):
        evaluate.score(np.zeros((0, 7)), np.zeros(0, np.int64), EXPRESSIONS)


def test_the_text_shows_each_class(trained: Trained) -> None:
    text = evaluate.as_text(
        evaluate.evaluate(RunSubject(trained), make.face_set(30, 6), make.face_set(21, 2))
    )
    assert all(label in text for label in EXPRESSIONS)
    assert "tiny on made-6" in text
    assert "fitted on made-2" in text


def test_the_same_recipe_trains_the_same_network(run_folder: Path, tiny: Recipe, tmp_path: Path) -> None:
    loop.fit(tiny, make.face_set(40, 1), make.face_set(21, 2), tmp_path, threads=1)
    faces = make.face_set(9, 5).faces
    first, again = load_run(run_folder), load_run(tmp_path)
    np.testing.assert_array_equal(
        predict(first.model, faces, first.recipe), predict(again.model, faces, again.recipe)
    )


def test_a_flipped_answer_is_the_mean_with_the_mirrored_face(trained: Trained) -> None:
    faces = make.face_set(9, 5).faces
    plain = predict(trained.model, faces, trained.recipe)
    mirrored = predict(trained.model, np.ascontiguousarray(faces[:, :, ::-1]), trained.recipe)
    flipped = predict(trained.model, faces, trained.recipe, flip=True)
    np.testing.assert_allclose(flipped, (plain + mirrored) / 2, atol=1e-3)


def test_small_faces_are_enlarged_smoothly_and_large_ones_averaged() -> None:
    ramp = np.tile(np.arange(0, 192, 4, dtype=np.uint8), (1, 48, 1))
    large = at_size(ramp[0], 64).astype(int)
    assert large.shape == (64, 64)
    assert np.abs(np.diff(large[0])[2:-2] - 3).max() <= 1  # no steps of 0 and 4, as copied pixels would make
    board = (np.indices((1, 48, 48)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.abs(at_size(board[0], 24).astype(int) - 128).max() <= 1
    assert at_size(ramp[0], 48) is not None and np.array_equal(at_size(ramp[0], 48), ramp[0])
