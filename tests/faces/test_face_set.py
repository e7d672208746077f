from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.errors import DataInvalid
from faces import face_set
from faces.labels import EXPRESSIONS
from tests.train import make


def saved(path: Path, **changes: Any) -> Path:
    arrays = make.pack({"train": 12, "public": 7, "private": 7}) | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_labels_are_mapped_by_name_not_by_place(tmp_path: Path) -> None:
    classes = np.array(make.CLASSES[::-1])
    labels = np.arange(7)
    read = face_set.load_fer2013(saved(tmp_path / "p.npz", classes=classes, public_y=labels), "public")
    assert [EXPRESSIONS[k] for k in read.labels] == [
        "neutral",
        "surprise",
        "sadness",
        "happiness",
        "fear",
        "disgust",
        "anger",
    ]


def test_training_leaves_out_what_repeats_in_the_tests_and_blank_faces(tmp_path: Path) -> None:
    arrays = make.pack({"train": 12, "public": 7, "private": 7})
    same, near, pictures = np.zeros(12, bool), np.zeros(12, bool), arrays["train_x"].copy()
    same[3], near[5], pictures[8] = True, True, 255
    path = saved(tmp_path / "p.npz", train_in_test=same, train_near_test=near, train_x=pictures)
    read = face_set.load_fer2013(path, "train")
    kept = np.delete(np.arange(12), [3, 5, 8])
    np.testing.assert_array_equal(read.faces, pictures[kept])
    np.testing.assert_array_equal(read.labels, arrays["train_y"][kept])
    assert len(read.votes) == len(read.majority) == len(read) == 9
    assert len(face_set.load_fer2013(path, "public")) == 7


def test_votes_become_shares_and_majority(tmp_path: Path) -> None:
    votes = np.zeros((7, 10), np.uint8)
    votes[0, [0, 1, 7]] = 5, 3, 2  # neutral half of the votes, contempt counted against it
    votes[1, [1, 3, 5]] = 6, 3, 1  # happiness
    votes[2, 9] = 10  # not a face
    votes[3, 7] = 10  # contempt
    votes[4, [6, 0, 1, 2, 3, 4]] = 5, 1, 1, 1, 1, 1  # fear: single votes do not count
    read = face_set.load_fer2013(saved(tmp_path / "p.npz", public_fpvotes=votes), "public")
    assert [EXPRESSIONS[k] if k >= 0 else None for k in read.majority] == [
        None,
        "happiness",
        None,
        None,
        "fear",
        None,
        None,
    ]
    shares = {label: read.votes[0, k] for k, label in enumerate(EXPRESSIONS) if read.votes[0, k]}
    assert shares == {"neutral": pytest.approx(5 / 8), "happiness": pytest.approx(3 / 8)}
    assert read.votes[2].sum() == read.votes[3].sum() == 0


@given(
    hnp.arrays(np.uint8, (5, 10), elements=st.integers(0, 10)),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
def test_targets_are_distributions(votes: np.ndarray[Any, Any], weight: float, smoothing: float) -> None:
    columns = list(make.VOTE_COLUMN)
    shares = face_set.vote_shares(votes, columns)
    labels = np.array([0, 1, 2, 3, 4])
    read = face_set.FaceSet(
        "x", np.zeros((5, 4, 4), np.uint8), labels, shares, face_set.majority_label(votes, columns)
    )
    targets = read.targets(weight, smoothing)
    assert targets.dtype == np.float32
    assert (targets >= 0).all()
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    unvoted = shares.sum(1) == 0
    expected = np.eye(7)[labels] * (1 - smoothing) + smoothing / 7
    np.testing.assert_allclose(targets[unvoted], expected[unvoted], atol=1e-6)
    agreed = read.majority >= 0
    assert (shares[agreed].argmax(1) == read.majority[agreed]).all()


def test_votes_alone_are_the_target_where_they_weigh_all() -> None:
    made = make.face_set(9, seed=3)
    np.testing.assert_allclose(made.targets(1.0, 0.1), made.votes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"public_x": None}, "no array 'public_x'"),
        ({"fp_classes": None}, "no array 'fp_classes'"),
        ({"public_x": np.zeros((7, 48, 48), np.float32)}, "must be uint8 .* not float32"),
        ({"public_x": np.zeros((7, 48), np.uint8)}, r"must be uint8 \[N, H, W\], not uint8 \(7, 48\)"),
        ({"public_x": np.zeros((0, 48, 48), np.uint8)}, "must be uint8"),
        ({"public_y": np.zeros(6, np.int64)}, "public_y has 6 rows for 7 faces"),
        ({"public_y": np.full(7, 9)}, "whole numbers from 0 to 6"),
        ({"public_y": np.full(7, -1)}, "whole numbers from 0 to 6"),
        ({"public_y": np.full(7, 0.5)}, "whole numbers from 0 to 6"),
        ({"public_fpvotes": np.zeros((7, 9), np.uint8)}, "votes need one column"),
        ({"classes": np.array(["smug", *make.CLASSES[1:]])}, "unknown class 'smug'; known are angry"),
        ({"classes": np.array(["x"], dtype=object)}, "not a packed face set"),
    ],
)
def test_a_wrong_pack_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataInvalid, match=words):
        face_set.load_fer2013(saved(tmp_path / "p.npz", **changes), "public")


def test_files_that_are_no_pack_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="No such file"):
        face_set.load_fer2013(tmp_path / "none.npz", "train")
    with pytest.raises(DataInvalid, match="cannot be read"):
        face_set.load_fer2013(tmp_path, "train")
    for name, content in {"empty": b"", "text": b"hello there", "zip": b"PK\x03\x04broken"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataInvalid, match=f"{name}' is not a packed face set"):
            face_set.load_fer2013(tmp_path / name, "train")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataInvalid, match="single array"):
        face_set.load_fer2013(tmp_path / "one.npy", "train")


def test_a_pack_damaged_anywhere_never_yields_faces_silently(tmp_path: Path) -> None:
    whole = saved(tmp_path / "p.npz").read_bytes()
    before = face_set.load_fer2013(tmp_path / "p.npz", "public")
    for cut in range(0, len(whole), len(whole) // 40):
        (tmp_path / "cut.npz").write_bytes(whole[:cut])
        with pytest.raises(DataInvalid):
            face_set.load_fer2013(tmp_path / "cut.npz", "public")
        damaged = bytearray(whole)
        damaged[cut] ^= 0xFF
        (tmp_path / "bad.npz").write_bytes(bytes(damaged))
        try:
            after = face_set.load_fer2013(tmp_path / "bad.npz", "public")
        except DataInvalid:
            continue
        np.testing.assert_array_equal(after.faces, before.faces)
        np.testing.assert_array_equal(after.labels, before.labels)


def test_a_set_is_followed_by_its_own_annotators_and_by_the_crowd_where_it_agrees(tmp_path: Path) -> None:
    votes = np.zeros((7, 10), np.uint8)
    votes[1, 1] = votes[4, 6] = 10  # happiness, fear
    read = face_set.load_fer2013(saved(tmp_path / "p.npz", public_fpvotes=votes), "public")
    sets = read.followed()
    assert list(sets) == ["fer2013", "ferplus"]
    everyone, whole = sets["fer2013"]
    assert everyone.all() and whole is read
    agreed, crowd = sets["ferplus"]
    assert np.flatnonzero(agreed).tolist() == [1, 4] and crowd.name == "ferplus-public"
    assert [EXPRESSIONS[k] for k in crowd.labels] == ["happiness", "fear"]
    np.testing.assert_array_equal(crowd.faces, read.faces[[1, 4]])
    silent = face_set.load_fer2013(saved(tmp_path / "q.npz", public_fpvotes=votes * 0), "public")
    assert list(silent.followed()) == ["fer2013"]
    assert list(make.face_set(9, 1).followed()) == ["", "ferplus"]
