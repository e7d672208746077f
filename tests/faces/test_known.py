"""What is known of faces beside their labels: persons, landmarks, and the states of newborns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataInvalid, RecipeInvalid
from faces import readers
from faces.face_set import joined
from faces.labels import EXPRESSIONS, NEONATAL
from tests.train import make
from train import recipe
from train.streams import refuse_unknown


def lfw_pack(path: Path, *, made: bool) -> Path:
    """Forty faces of ten people, 96 px, with landmarks where they are made ones."""
    faces = make.faces(np.arange(40) % 7, seed=1, side=96)
    coded = [cv2.imencode(".jpg", face)[1].ravel() for face in faces]
    points = np.random.default_rng(1).uniform(0, 96, (40, 68, 2)).astype(np.float16)
    known = {"landmarks": points, "visible": np.arange(40 * 68).reshape(40, 68) % 2 == 0} if made else {}
    np.savez(
        path,
        jpeg=np.concatenate(coded),
        offset=np.concatenate([[0], np.cumsum([len(each) for each in coded])]),
        label=(np.arange(40) % 7).astype(np.int8),
        labels=np.array(EXPRESSIONS),
        person=(np.arange(40) // 4).astype(np.int16),
        source=np.zeros(40, np.int8),
        sources=np.array(["lfw"]),
        **known,
    )
    return path


def test_persons_and_landmarks_come_with_the_faces_at_any_size(tmp_path: Path) -> None:
    path = lfw_pack(tmp_path / "made.npz", made=True)
    small, large = (readers.read(path, side, search=False).split("train") for side in (24, 96))
    assert small.faces.shape[1:] == (24, 24) and large.faces.shape[1:] == (96, 96)
    for faces in (small, large):
        assert faces.person is not None and len(np.unique(faces.person)) == len(faces) // 4
        assert faces.landmarks is not None and faces.landmarks.shape == (len(faces), 68, 2)
        assert faces.landmarks.min() >= 0 and 0.9 < faces.landmarks.max() <= 1
        assert faces.visible is not None and set(np.unique(faces.visible)) == {0, 1}
    np.testing.assert_array_equal(small.landmarks, large.landmarks)
    some = large.take(np.array([5, 1]))
    assert some.person is not None and some.person.tolist() == [large.person[5], large.person[1]]
    assert some.landmarks is not None and np.array_equal(some.landmarks[0], large.landmarks[5])


def test_what_only_some_sets_know_a_pooled_one_does_not(tmp_path: Path) -> None:
    known = readers.read(lfw_pack(tmp_path / "made.npz", made=True), 96, search=False).split("train")
    photos = readers.read(lfw_pack(tmp_path / "lfw.npz", made=False), 96, search=False).split("train")
    assert photos.landmarks is None and photos.person is not None
    both = joined([known, photos], "both")
    assert len(both) == len(known) + len(photos) and both.landmarks is None and both.visible is None
    assert both.person is not None and len(both.person) == len(both)


def test_data_that_lack_what_a_system_needs_are_refused_in_one_sentence() -> None:
    faces = make.face_set(4, 1)
    with pytest.raises(DataInvalid, match="needs the landmarks of every face, and made-1 has none"):
        refuse_unknown("the network", ("landmarks",), faces)
    with pytest.raises(DataInvalid, match="needs the person of every face"):
        refuse_unknown("the network", ("person",), faces)
    refuse_unknown("the network", ("person",), replace(faces, person=np.arange(4)))


@pytest.fixture
def newborns(tmp_path: Path) -> Path:
    for state in ("calm", "Cry", "mild_pain", "severe pain"):
        (tmp_path / state).mkdir()
        for baby in range(8):
            face = make.faces(np.array([baby % 7]), seed=baby, side=64)[0]
            for number in range(2):
                cv2.imwrite(str(tmp_path / state / f"b{baby}_{number}.png"), face + np.uint8(number))
    return tmp_path


def test_newborns_are_read_by_state_and_no_baby_is_in_two_splits(newborns: Path) -> None:
    found = readers.read(newborns, 32, search=False)
    assert found.layout.name == "neonatal"
    seen: set[int] = set()
    for faces in found.splits.values():
        assert faces.classes == NEONATAL and faces.votes.shape == (len(faces), 4)
        assert faces.person is not None
        babies = set(faces.person.tolist())
        assert not babies & seen
        seen |= babies
    assert len(seen) == 8 and sum(map(len, found.splits.values())) == 64
    report = readers.describe(found)
    assert set(report["splits"]["train"]["labels"]) == set(NEONATAL)
    assert "severe_pain" in readers.as_text(report)


def test_a_folder_of_another_state_and_a_recipe_of_other_labels_are_refused(newborns: Path) -> None:
    (newborns / "asleep").mkdir()
    with pytest.raises(DataInvalid, match="'.*asleep' is not named after a state: known are calm, cry"):
        readers.read(newborns, 32, search=False)
    text = make.RECIPE + '[system]\nname = "neonatal"\n'
    from train.systems.system import system_of

    with pytest.raises(RecipeInvalid, match='learns data.labels = "neonatal", not "expressions"'):
        system_of(recipe.parse(text, "tiny"))
