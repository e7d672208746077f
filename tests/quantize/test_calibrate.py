from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle_files.sections import InputSpec
from edge.classify import to_input
from edge.errors import DataInvalid
from quantize.prepare import calibrate, observe
from quantize.recipe import CalibrationRecipe
from tests.train import make


def test_the_draw_depends_on_the_seed_alone() -> None:
    train = make.face_set(200, 1)
    first, again, other = (
        calibrate.choose(train, CalibrationRecipe(faces=50, seed=seed), 7) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (50, 48, 48) and first.dtype == np.uint8
    assert not np.array_equal(first, other)


def test_no_face_is_drawn_twice_and_rare_classes_are_drawn_first() -> None:
    train = make.face_set(200, 1)
    rare = np.flatnonzero(train.labels == 1)
    keep = np.setdiff1d(np.arange(200), rare[3:])
    train = replace(
        train,
        faces=train.faces[keep],
        labels=train.labels[keep],
        votes=train.votes[keep],
        majority=train.majority[keep],
    )
    chosen = {face.tobytes() for face in calibrate.choose(train, CalibrationRecipe(faces=28), 7)}
    assert len(chosen) == 28
    assert {train.faces[i].tobytes() for i in np.flatnonzero(train.labels == 1)} <= chosen


def test_too_few_faces_and_a_missing_class_are_refused() -> None:
    train = make.face_set(40, 1)
    with pytest.raises(DataInvalid, match="has 40 faces, and the recipe calibrates on 41"):
        calibrate.choose(train, CalibrationRecipe(faces=41), 7)
    one_class = replace(train, labels=np.full(40, 2))
    with pytest.raises(DataInvalid, match="has no face of class 0: calibration needs all 7"):
        calibrate.choose(one_class, CalibrationRecipe(faces=8), 7)


def test_what_is_calibrated_on_is_what_the_runtime_would_feed() -> None:
    spec = InputSpec(16, "grey", (100.0,), (50.0,))
    faces = make.face_set(21, 1).faces
    made = list(observe.batches(faces, spec))
    assert [len(each) for each in made] == [8, 8, 5]
    np.testing.assert_array_equal(np.concatenate(made), to_input(list(faces), spec))
    np.testing.assert_array_equal(calibrate.inputs(faces, spec), to_input(list(faces), spec))


def test_a_training_face_that_is_a_test_face_is_refused(tmp_path: Path) -> None:
    arrays = make.pack({"train": 30, "public": 10, "private": 10})
    np.savez(tmp_path / "clean.npz", **arrays)
    assert len(calibrate.load_splits(tmp_path / "clean.npz").train) == 30
    arrays["train_x"][4] = arrays["private_x"][2]
    np.savez(tmp_path / "leaky.npz", **arrays)
    with pytest.raises(DataInvalid, match="a training face is also a test face"):
        calibrate.load_splits(tmp_path / "leaky.npz")
