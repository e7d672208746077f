"""How calm faces look to a network: measured by the build, on other people where it is given some."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge import bundle as bundles
from edge.bundle import Bundle
from edge.classify import load_classifier, softmax
from edge.engine import EngineOptions
from edge.profile import FEWEST, NEUTRAL, SURE
from faces.domains import Domain
from faces.face_set import FaceSet, joined, load_fer2013
from faces.labels import EXPRESSIONS
from quantize.cli import main
from quantize.proof.calm import calm
from tests.train import make

COLUMN = EXPRESSIONS.index(NEUTRAL)


def looked_at(bundle: Bundle, faces: FaceSet) -> dict[str, float]:
    """The mean logits, less their mean, of neutral faces that the bundle surely takes for such."""
    classifier = load_classifier(bundle, "onnx", EngineOptions(threads=1))
    logits = classifier.logits(list(faces.faces))
    sure = softmax(logits, bundle.scaling_of("onnx"))[:, COLUMN] >= SURE
    mean = logits[sure & (faces.labels == COLUMN)].mean(0)
    return dict(zip(bundle.labels, map(float, mean - mean.mean()), strict=True))


def test_a_build_measures_it_on_the_faces_that_may_choose(built: Path, pack: Path) -> None:
    bundle = bundles.load(built)
    assert bundle.calm == pytest.approx(looked_at(bundle, load_fer2013(pack, "public")), abs=1e-3)
    assert max(bundle.calm, key=bundle.calm.__getitem__) == NEUTRAL


def test_other_people_are_asked_where_they_are_given(
    run: Path, pack: Path, ladder_file: Path, crop_file: Path, tmp_path: Path
) -> None:
    first, others, out = tmp_path / "first.npz", tmp_path / "others.npz", tmp_path / "out"
    make.write_pack(first, 70, 35, 35)
    make.write_pack(others, 70, 49, 49)
    words = ["build", run, "--data", pack, "-o", out, "--ladder", ladder_file, "--crop", crop_file]
    assert main([*map(str, [*words, "--domain", first, "--domain", others, "--threads", 1])]) == 0
    bundle = bundles.load(out)
    both = joined([load_fer2013(first, "public"), load_fer2013(others, "public")], "both")
    expected, own = looked_at(bundle, both), looked_at(bundle, load_fer2013(pack, "public"))
    assert bundle.calm == pytest.approx(expected, abs=1e-3)
    assert bundle.calm != pytest.approx(own, abs=1e-3)


def test_faces_that_are_not_surely_calm_do_not_count(start: Bundle) -> None:
    faces = make.face_set(28, 5)
    even = dataclasses.replace(start, prior="even", priors={"even": (1 / 7,) * 7})
    logits = np.zeros((28, 7))
    assert calm(even, 1.0, logits, [Domain("none sure", faces)]) == {}
    neutral = np.flatnonzero(faces.labels == COLUMN)
    logits[neutral[: FEWEST - 1], COLUMN] = 7.0
    assert calm(even, 1.0, logits, [Domain("too few", faces)]) == {}
    logits[neutral[:FEWEST], COLUMN] = 7.0
    logits[faces.labels != COLUMN, COLUMN] = 9.0  # surely calm to the network, and not to who labelled them
    halves = [
        Domain(name, faces.take(rows)) for name, rows in zip("ab", np.split(np.arange(28), 2), strict=True)
    ]
    told = calm(even, 1.0, logits, halves)
    assert told == pytest.approx({label: 6.0 if label == NEUTRAL else -1.0 for label in EXPRESSIONS})


def test_labels_without_neutral_have_none(start: Bundle) -> None:
    states = dataclasses.replace(start, labels=("calm", "crying"))
    assert calm(states, 1.0, np.zeros((0, 2)), []) == {}
