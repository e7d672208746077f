"""Sets of labels: data, recipes and bundles name theirs, and no order is taken for granted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataInvalid, RecipeInvalid
from faces import metrics, scaling, scores
from faces.face_set import FaceSet
from faces.labels import EXPRESSIONS, LABEL_SETS, NEONATAL, canonical, refuse_other
from tests.train import make
from train import evaluate, export, loop, recipe
from train.checkpoint import load_run
from train.classifier import RunSubject

BABIES = make.RECIPE.replace("[data]", '[data]\nlabels = "neonatal"')


def babies(count: int, seed: int) -> FaceSet:
    labels = np.random.default_rng(seed).integers(0, len(NEONATAL), count)
    votes = np.zeros((count, len(NEONATAL)), np.float32)
    nobody = np.full(count, -1, np.int64)
    return FaceSet(f"babies-{seed}", make.faces(labels, seed), labels, votes, nobody, NEONATAL)


def test_every_set_has_different_words_and_no_two_sets_the_same() -> None:
    assert all(len(set(labels)) == len(labels) > 1 for labels in LABEL_SETS.values())
    assert len({frozenset(labels) for labels in LABEL_SETS.values()}) == len(LABEL_SETS)


def test_a_set_in_another_order_is_brought_into_the_tables_and_a_strange_one_left() -> None:
    assert canonical(EXPRESSIONS[::-1]) == EXPRESSIONS
    assert canonical(("wink", "blink")) == ("wink", "blink")


def test_four_labels_are_scored_as_four() -> None:
    labels, chosen = np.array([0, 1, 2, 3, 3]), np.array([0, 1, 2, 3, 0])
    assert metrics.confusion(chosen, labels, 4).shape == (4, 4)
    assert list(scores.recalls(chosen, labels, NEONATAL, 1)) == list(NEONATAL)
    assert len(scaling.label_priors(replace(babies(40, 1), name="fer2013-x"))["fer2013"]) == 4
    assert scaling.measured_priors(NEONATAL) == ("balanced", {"balanced": (0.25,) * 4})


def test_a_recipe_of_other_labels_learns_judges_and_exports_them(tmp_path: Path) -> None:
    chosen = recipe.parse(BABIES, "babies")
    loop.fit(chosen, babies(40, 1), babies(21, 2), tmp_path / "run", threads=1)
    trained = load_run(tmp_path / "run")
    record = evaluate.evaluate(RunSubject(trained), babies(30, 3), babies(21, 2))
    assert list(record["score"]["per_class"]) == list(NEONATAL) and record["ferplus"] is None
    bundle = export.export(
        trained, export.describe(trained, tmp_path / "bundle", 1.0, (), "fer2013", side=48)
    )
    assert bundle.labels == NEONATAL


def test_data_labelled_with_other_words_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"recipe 'tiny' knows calm, .*, and made-1 is labelled anger, "):
        loop.fit(
            recipe.parse(BABIES, "tiny"), make.face_set(40, 1), make.face_set(21, 2), tmp_path, threads=1
        )
    with pytest.raises(RecipeInvalid, match="'labels' is 'moods', and must be expressions, neonatal"):
        recipe.parse(make.RECIPE.replace("[data]", '[data]\nlabels = "moods"'), "tiny")
    refuse_other("it", EXPRESSIONS[::-1], "data", EXPRESSIONS)
