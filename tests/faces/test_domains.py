"""Domains are made the same way every time, leave labels alone, and are scored by expression."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataInvalid
from faces import domains, readers, scores
from faces.crop_rule import crop_rule_of
from faces.face_set import OWN
from faces.labels import EXPRESSIONS
from faces.readers import lfw
from tests.train import make


def write_lfw(path: Path, people: int = 40) -> Path:
    """A small lfw_expressions.npz: a face a person, and three of IMFDB's."""
    rng = np.random.default_rng(1)
    coded = [
        cv2.imencode(".jpg", rng.integers(0, 256, (96, 96)).astype(np.uint8))[1].ravel()
        for _ in range(people + 3)
    ]
    np.savez(
        path,
        jpeg=np.concatenate(coded),
        offset=np.cumsum([0, *map(len, coded)]),
        label=(np.arange(people + 3) % 7).astype(np.int8),
        labels=np.array(EXPRESSIONS),
        person=np.arange(people + 3, dtype=np.int16),
        source=np.array([0] * people + [1] * 3, np.int8),
        sources=np.array(["lfw", "imfdb"]),
    )
    return path


def test_people_of_lfw_are_in_one_split_for_good(tmp_path: Path) -> None:
    path = write_lfw(tmp_path / "lfw.npz")
    found = readers.read(path, 48)
    assert found.layout.name == "lfw" and found.splits["train"].faces.shape[1:] == (48, 48)
    assert {name: len(faces) for name, faces in found.splits.items()} == {
        "train": 16,
        "public": 4,
        "private": 20,
    }
    assert all(lfw.split_of(person) == "private" for person in range(1, 100, 2))
    assert readers.read(path, 96, "imfdb").splits["private"].faces.shape == (3, 96, 96)
    assert set(readers.read(path, 96, "imfdb").splits) == {"private"}


def test_what_is_no_lfw_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataInvalid, match="is not an .npz that can be read"):
        lfw.entries(tmp_path / "cut.npz", "lfw")
    np.savez(tmp_path / "other.npz", jpeg=np.zeros(3))
    with pytest.raises(DataInvalid, match="it is no lfw_expressions"):
        lfw.entries(tmp_path / "other.npz", "lfw")
    with pytest.raises(DataInvalid, match="has no faces of 'ck': it has lfw, imfdb"):
        lfw.entries(write_lfw(tmp_path / "lfw.npz"), "ck")


def test_the_gates_domains_are_the_same_every_time_and_keep_their_labels() -> None:
    faces, rule = replace(make.face_set(60, 1), annotators=OWN), crop_rule_of("fer2013")
    first, again = (domains.board(faces, rule, [make.face_set(20, 2)]) for _ in range(2))
    assert [domain.name for domain in first][:3] == ["FER2013", "corrupted", "20-32 px"]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.faces.faces, other.faces.faces)
    thin = faces.labels[:: domains.THIN]
    np.testing.assert_array_equal(first[1].faces.labels, thin)
    assert (first[1].faces.faces != faces.faces[:: domains.THIN]).any(axis=(1, 2)).mean() > 0.8
    assert (first[2].faces.faces != faces.faces[:: domains.THIN]).any(axis=(1, 2)).all()


def test_a_rare_expression_counts_as_much_as_one_that_is_not() -> None:
    labels = np.array([3] * 80 + [0] * 20 + [1] * 2)
    chosen = np.array([3] * 80 + [6] * 20 + [1] * 2)
    weights = np.full((102, 7), 0.05)
    weights[np.arange(102), chosen] = 0.7
    found = scores.score(weights, labels, EXPRESSIONS, bound=0.6)
    assert found.recall == {"anger": 0.0, "happiness": 1.0} and found.balanced == 0.5
    assert found.accuracy == pytest.approx(82 / 102, abs=1e-4) and found.per_class["disgust"].count == 2
    assert found.uncertain == 0 and scores.score(weights, labels, EXPRESSIONS, bound=0.75).uncertain == 1
    with pytest.raises(DataInvalid, match="no labelled face"):
        scores.score(weights[:0], labels[:0], EXPRESSIONS)
