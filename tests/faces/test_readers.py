from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataInvalid, UsageError
from faces import face_set, readers
from faces.face_set import VOTE_NAMES
from faces.labels import EXPRESSIONS
from faces.readers.layout import Entry, with_splits
from faces.readers.table import LAYOUTS
from tests.train import make

RNG = np.random.default_rng(0)


def picture(path: Path, side: int = 60) -> Path:
    """A picture of smooth noise: no two are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
    return path


def words(faces: face_set.FaceSet) -> Counter[str]:
    return Counter(EXPRESSIONS[k] for k in faces.labels)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def fer2013_rows(count: int = 12) -> list[dict[str, Any]]:
    usage = ["Training"] * (count - 4) + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    faces = RNG.integers(0, 256, (count, 48, 48))
    return [
        {"emotion": k % 7, "pixels": " ".join(map(str, face.ravel())), "Usage": usage[k]}
        for k, face in enumerate(faces)
    ]


def test_every_layout_declares_labels_split_rule_and_terms() -> None:
    for name in LAYOUTS:
        layout = readers.layout_named(name)
        assert layout.name == name
        assert set(layout.labels.values()) - {None} == set(layout.classes)
        assert len(layout.terms) > 30 and len(layout.split_rule) > 30


def test_a_packed_file_reads_as_before(tmp_path: Path) -> None:
    arrays = make.pack({"train": 40, "public": 9, "private": 9})
    arrays["train_in_test"][[3, 4]] = True
    arrays["train_x"][7] = 99
    np.savez(tmp_path / "p.npz", **arrays)
    found = readers.read(tmp_path / "p.npz")
    assert found.layout.name == "fer2013-npz"
    for split in ("train", "public", "private"):
        assert found.split(split).sha256 == face_set.load_fer2013(tmp_path / "p.npz", split).sha256
    assert found.left_out == {"a repeat of a test face, by the data set's own mask": 2, "blank": 1}


def test_fer2013_csv_with_votes(tmp_path: Path) -> None:
    rows = fer2013_rows()
    write_csv(tmp_path / "fer2013.csv", rows)
    votes = [dict.fromkeys(VOTE_NAMES, 0) | {"neutral": 8, "NF": 2} for _ in rows]
    write_csv(tmp_path / "fer2013new.csv", [{"Usage": "", "Image name": "", **row} for row in votes])
    for path in (tmp_path, tmp_path / "fer2013.csv"):
        found = readers.read(path)
        assert found.layout.name == "fer2013-csv"
        assert {name: len(faces) for name, faces in found.splits.items()} == {
            "train": 8,
            "public": 2,
            "private": 2,
        }
        train = found.split("train")
        assert [EXPRESSIONS[k] for k in train.labels[:4]] == ["anger", "disgust", "fear", "happiness"]
        np.testing.assert_array_equal(train.faces[0].ravel(), [int(v) for v in rows[0]["pixels"].split()])
        assert (train.votes[:, EXPRESSIONS.index("neutral")] == 1).all()
        assert (train.majority == EXPRESSIONS.index("neutral")).all()


def test_fer2013_csv_alone_has_no_votes(tmp_path: Path) -> None:
    rows = fer2013_rows()
    write_csv(
        tmp_path / "x.csv",
        [{" Usage": row["Usage"], " pixels": row["pixels"], "emotion": row["emotion"]} for row in rows],
    )
    train = readers.read(tmp_path / "x.csv").split("train")
    assert train.votes.sum() == 0
    assert (train.majority == -1).all()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"emotion": 7}, "row 3: emotion '7' is not 0 to 6"),
        ({"emotion": ""}, "row 3: emotion '' is not"),
        ({"Usage": "Test"}, "row 3: Usage 'Test' is not one of Training"),
        ({"pixels": "1 2 3"}, "row 3: 3 pixels, and there must be 2304 of 0 to 255"),
        ({"pixels": " ".join(["256"] * 2304)}, "row 3: 2304 pixels, and there must be 2304 of 0 to 255"),
        ({"pixels": "1 two 3"}, "row 3: pixels must be whole numbers"),
        ({"pixels": ""}, "row 3"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    rows = fer2013_rows(8)
    rows[2] |= change
    write_csv(tmp_path / "fer2013.csv", rows)
    with pytest.raises(DataInvalid, match=expected):
        readers.read(tmp_path)


def test_wrong_csv_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    for content, expected in [
        (b"", "has no column 'emotion'"),
        (b"emotion,pixels\n1,2\n", "has no column 'Usage': it needs emotion, pixels, Usage"),
        (b"emotion,pixels,Usage\n", "has no rows"),
        (b"emotion,pixels,Usage\n1\n", "Usage '' is not"),
        (b"\xff\xfe\x00", "is not a csv file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataInvalid, match=expected):
            readers.read(path)
    write_csv(path, fer2013_rows(8))
    write_csv(tmp_path / "fer2013new.csv", [dict.fromkeys(VOTE_NAMES, 1)])
    with pytest.raises(DataInvalid, match="has 1 rows for the 8"):
        readers.read(path)
    write_csv(tmp_path / "fer2013new.csv", [dict.fromkeys(VOTE_NAMES, "x")] * 8)
    with pytest.raises(DataInvalid, match="votes must be whole numbers"):
        readers.read(path)


def test_folders_with_splits(tmp_path: Path) -> None:
    for split, count in {"train": 3, "validation": 1, "Test": 2}.items():
        for label in ("Angry", "joy", "contempt"):
            for k in range(count):
                picture(tmp_path / split / label / f"{k}.png")
    (tmp_path / "train" / "joy" / "notes.txt").write_text("no picture")
    found = readers.read(tmp_path, side=32)
    assert found.layout.name == "folders"
    assert {name: words(faces) for name, faces in found.splits.items()} == {
        "train": {"anger": 3, "happiness": 3},
        "public": {"anger": 1, "happiness": 1},
        "private": {"anger": 2, "happiness": 2},
    }
    assert found.split("train").faces.shape == (6, 32, 32)
    assert found.left_out == {f"labelled contempt, which is none of {', '.join(EXPRESSIONS)}": 6}


def test_folders_without_splits_are_split_by_name_and_always_the_same(tmp_path: Path) -> None:
    for k in range(40):
        picture(tmp_path / "sad" / f"{k}.jpg")
    first, again = readers.read(tmp_path), readers.read(tmp_path)
    assert {name: len(faces) for name, faces in first.splits.items()} == {
        "train": 28,
        "public": 6,
        "private": 6,
    }
    assert [each.sha256 for each in first.splits.values()] == [each.sha256 for each in again.splits.values()]


def test_an_unknown_folder_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    with pytest.raises(DataInvalid, match="has no picture that could be learnt from"):
        readers.read(tmp_path)
    (tmp_path / "hapy").mkdir()
    with pytest.raises(DataInvalid, match=r"hapy' is not named after an expression: known are anger, angry"):
        readers.read(tmp_path)


def test_pictures_that_cannot_be_read_are_counted_and_the_others_taken(tmp_path: Path) -> None:
    for k in range(10):
        picture(tmp_path / "train" / "sad" / f"{k}.png")
    (tmp_path / "train" / "sad" / "empty.png").write_bytes(b"")
    whole = (tmp_path / "train" / "sad" / "0.png").read_bytes()
    (tmp_path / "train" / "sad" / "cut.png").write_bytes(whole[: len(whole) // 2])
    found = readers.read(tmp_path)
    assert found.left_out == {"not a picture that can be read": 2}
    assert sum(map(len, found.splits.values())) == 10


def ck48(root: Path, subjects: int) -> Path:
    for subject in range(subjects):
        for label in ("happy", "contempt", "anger"):
            for frame in range(3):
                picture(root / label / f"S{subject:03}_001_{frame:08}.png", 48)
    return root


def test_ck48_never_has_a_person_in_two_splits(tmp_path: Path) -> None:
    root = ck48(tmp_path, 20)
    found = readers.read(root)
    assert found.layout.name == "ck48"
    assert {name: len(faces) for name, faces in found.splits.items()} == {
        "train": 14 * 6,
        "public": 3 * 6,
        "private": 3 * 6,
    }
    people: dict[str, set[str]] = {}
    for entry in with_splits(found.layout.entries(root)):
        people.setdefault(entry.subject, set()).add(entry.split)
    assert len(people) == 20
    assert all(len(splits) == 1 for splits in people.values())


def test_ck48_names_are_checked(tmp_path: Path) -> None:
    ck48(tmp_path, 3)
    picture(tmp_path / "happy" / "zoe.png")
    with pytest.raises(DataInvalid, match=r"zoe\.png' is not named as CK48's"):
        readers.read(tmp_path)


def ckplus(root: Path, code: str = "   5.0000000e+00\n", frames: int = 6) -> Path:
    for subject in ("S005", "S010", "S011", "S014"):
        for frame in range(1, frames + 1):
            picture(root / "cohn-kanade-images" / subject / "001" / f"{subject}_001_{frame:08}.png")
        label = root / "Emotion" / subject / "001" / f"{subject}_001_{frames:08}_emotion.txt"
        label.parent.mkdir(parents=True)
        label.write_text(code)
    return root


def test_ckplus_takes_first_and_last_frames_of_labelled_sequences(tmp_path: Path) -> None:
    root = ckplus(tmp_path)
    picture(root / "cohn-kanade-images" / "S005" / "002" / "S005_002_00000001.png")  # not labelled
    layout = readers.recognise(root)
    assert layout.name == "ckplus"
    entries = layout.entries(root)
    assert Counter(entry.label for entry in entries) == {"neutral": 4, "happy": 12}
    assert {entry.name[-8:] for entry in entries if entry.label == "happy"} == {
        "00000004",
        "00000005",
        "00000006",
    }
    with pytest.raises(DataInvalid, match=r"no 'train' split"):
        readers.read(root).split("train")  # the cascade finds no face in noise


@pytest.mark.parametrize("code", ["8", "-1", "2.5", "happy", "nan", ""])
def test_a_wrong_ckplus_code_is_named(tmp_path: Path, code: str) -> None:
    with pytest.raises(DataInvalid, match=r"emotion\.txt' must hold one number from 0 to 7"):
        readers.read(ckplus(tmp_path, code))


def test_a_short_ckplus_sequence_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="has 3 frames, and a sequence needs 4"):
        readers.read(ckplus(tmp_path, frames=3))


def test_jaffe(tmp_path: Path) -> None:
    for subject in ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM"):
        for number, code in enumerate(("AN", "DI", "FE", "HA", "NE", "SA", "SU")):
            picture(tmp_path / f"{subject}.{code}1.{number + 20}.tiff", 64)
    picture(tmp_path / "cover.png")
    layout = readers.recognise(tmp_path)
    assert layout.name == "jaffe"
    entries = with_splits(layout.entries(tmp_path))
    assert len(entries) == 70
    people = {
        split: {each.subject for each in entries if each.split == split}
        for split in ("train", "public", "private")
    }
    assert {split: len(names) for split, names in people.items()} == {"train": 6, "public": 2, "private": 2}
    assert not people["train"] & people["private"]


def test_a_face_in_a_frame_is_found_and_cut(tmp_path: Path) -> None:
    """A drawn face that the cascade takes for one, off centre in a large frame."""
    rng = np.random.default_rng(3)
    frame = cv2.GaussianBlur(rng.integers(90, 140, (300, 300), dtype=np.uint8), (0, 0), 3)
    drawn = make.drawn_face(120)
    frame[100:220, 150:270] = drawn
    for subject in ("KA", "KL", "KM", "KR", "MK"):
        cv2.imwrite(str(tmp_path / f"{subject}.HA1.1.tiff"), frame)
    found = readers.read(tmp_path, side=48, search=False)
    assert found.layout.framing == "frame"
    cut = found.split("train").faces[0].astype(float)
    direct = cv2.resize(drawn, (48, 48), interpolation=cv2.INTER_AREA).astype(float)
    assert np.corrcoef(cut.ravel(), direct.ravel())[0, 1] > 0.5


def rafdb(root: Path, lines: list[str]) -> Path:
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    for line in lines:
        name = line.split()[0].removesuffix(".jpg")
        picture(root / "Image" / "aligned" / f"{name}_aligned.jpg", 100)
    return root


def test_rafdb(tmp_path: Path) -> None:
    lines = [f"train_{k:05}.jpg {k % 7 + 1}" for k in range(20)] + [f"test_{k:04}.jpg 4" for k in range(5)]
    for root in (tmp_path / "a", tmp_path / "b" / "basic"):
        rafdb(root, lines)
    for path in (tmp_path / "a", tmp_path / "b"):
        found = readers.read(path)
        assert found.layout.name == "rafdb"
        assert {name: len(faces) for name, faces in found.splits.items()} == {
            "train": 18,
            "public": 2,
            "private": 5,
        }
        assert words(found.split("private")) == {"happiness": 5}
        both = words(found.split("train")) + words(found.split("public"))
        assert both["surprise"] == both["disgust"] == 3 and both["neutral"] == 2


@pytest.mark.parametrize("line", ["train_1.jpg 8", "train_1.jpg 0", "dev_1.jpg 3", "train_1.jpg"])
def test_a_wrong_rafdb_line_is_named(tmp_path: Path, line: str) -> None:
    rafdb(tmp_path, ["train_0.jpg 1", line])
    with pytest.raises(DataInvalid, match=r"line 2: .* is not a picture and its code"):
        readers.read(tmp_path)


def test_a_rafdb_picture_that_is_missing_is_named(tmp_path: Path) -> None:
    rafdb(tmp_path, ["train_0.jpg 1"])
    (tmp_path / "Image" / "aligned" / "train_0_aligned.jpg").unlink()
    with pytest.raises(DataInvalid, match=r"line 1: there is no '.*train_0_aligned\.jpg'"):
        readers.read(tmp_path)


def affectnet(root: Path) -> Path:
    for folder, count in {"train_set": 20, "val_set": 8}.items():
        (root / folder / "annotations").mkdir(parents=True)
        for k in range(count):
            picture(root / folder / "images" / f"{k}.jpg")
            np.save(root / folder / "annotations" / f"{k}_exp.npy", np.array(str(k % 8)))
    return root


def test_affectnet(tmp_path: Path) -> None:
    found = readers.read(affectnet(tmp_path))
    assert found.layout.name == "affectnet"
    assert words(found.split("private")) == dict.fromkeys(EXPRESSIONS, 1)
    assert len(found.split("train")) + len(found.split("public")) == 18
    assert found.left_out == {f"labelled contempt, which is none of {', '.join(EXPRESSIONS)}": 3}


@pytest.mark.parametrize("content", [np.array("9"), np.array("x"), np.zeros(3)])
def test_a_wrong_affectnet_annotation_is_named(tmp_path: Path, content: np.ndarray[Any, Any]) -> None:
    np.save(affectnet(tmp_path) / "train_set" / "annotations" / "3_exp.npy", content)
    with pytest.raises(DataInvalid, match=r"3_exp\.npy' must hold one code from 0 to 7"):
        readers.read(tmp_path)


def test_paths_that_are_no_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="none' is not there"):
        readers.read(tmp_path / "none")
    with pytest.raises(
        DataInvalid,
        match=r"looks like none of lfw, imfdb, rendered, clips, .*folders",
    ):
        readers.read(tmp_path)
    with pytest.raises(
        UsageError, match="unknown layout 'coco': choose auto, lfw, imfdb, rendered, clips, rendered-newborns"
    ):
        readers.read(tmp_path, layout="coco")
    with pytest.raises(DataInvalid, match="cannot be read"):
        readers.read(tmp_path, layout="rafdb")
    with pytest.raises(DataInvalid, match="cannot be read"):
        readers.read(tmp_path / "none", layout="folders")


def test_training_faces_that_are_in_a_test_are_found_reported_and_left_out(tmp_path: Path) -> None:
    for k in range(12):
        picture(tmp_path / "train" / "sad" / f"{k:02}.png")
    (tmp_path / "test" / "sad").mkdir(parents=True)
    (tmp_path / "val" / "sad").mkdir(parents=True)
    twin = cv2.imread(str(tmp_path / "train" / "sad" / "03.png"))
    cv2.imwrite(str(tmp_path / "test" / "sad" / "same.png"), twin)
    brighter = cv2.imread(str(tmp_path / "train" / "sad" / "05.png")) // 2 + 60
    cv2.imwrite(str(tmp_path / "val" / "sad" / "near.png"), brighter)
    cv2.imwrite(
        str(tmp_path / "test" / "sad" / "mirror.png"),
        cv2.imread(str(tmp_path / "train" / "sad" / "07.png"))[:, ::-1],
    )
    picture(tmp_path / "test" / "sad" / "other.png")
    found = readers.read(tmp_path)
    assert [(m.left, m.exact, m.mirrored) for m in found.repeats["private"]] == [
        (3, True, False),
        (7, True, True),
    ]
    assert [(m.left, m.exact) for m in found.repeats["public"]] == [(5, False)]
    assert len(found.split("train")) == 9
    assert found.left_out == {"a repeat of a test face, by search": 3}
    report = readers.describe(found)
    assert report["repeats"]["private"] == {"pairs": 2, "exact": 2, "mirrored": 1, "training_faces": 2}
    assert "training faces that repeat in public: 1" in readers.as_text(report)
    assert len(readers.read(tmp_path, search=False).split("train")) == 12


@given(st.integers(3, 60), st.integers(1, 4), st.sampled_from(["", "train"]))
def test_split_rules_keep_groups_together_and_leave_no_split_empty(
    people: int, each: int, official: str
) -> None:
    entries = [
        Entry(f"{person}/{k}", "sad", official, subject=str(person))  # type: ignore[arg-type]
        for person in range(people)
        for k in range(each)
    ]
    done = with_splits(entries)
    assert [entry.name for entry in done] == [entry.name for entry in entries]
    where: dict[str, set[str]] = {}
    for entry in done:
        where.setdefault(entry.subject, set()).add(entry.split)
    assert all(len(splits) == 1 for splits in where.values())
    names = {entry.split for entry in done}
    assert names == ({"train", "public", "private"} if official == "" else {"train", "public"})
    assert done == with_splits(entries)


def test_official_splits_are_kept() -> None:
    entries = [Entry(str(k), "sad", split) for k, split in enumerate(("train", "public", "private"))]  # type: ignore[arg-type]
    assert with_splits(entries) == entries
