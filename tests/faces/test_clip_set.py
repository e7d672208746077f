"""Packs of clips: what is written is read again, by split and person, and what is none is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataInvalid
from faces import clip_set, readers
from faces.clip_set import Clip, ClipSet
from faces.labels import EXPRESSIONS


def clips(count: int = 8, frames: int = 4, side: int = 16) -> list[Clip]:
    """A clip a person, each brighter than the one before, and a little with every frame."""
    made = []
    for index in range(count):
        slope = np.arange(side)[:, None] + np.arange(side)
        pictures = (20 + 20 * index + 3 * np.arange(frames)[:, None, None] + slope).astype(np.uint8)
        points = np.full((frames, 68, 2), side / 2, np.float32) + np.arange(frames)[:, None, None]
        label = EXPRESSIONS[index % len(EXPRESSIONS)]
        made.append(Clip(pictures, label, index, 0.5, (0.1, 0.2, 0.3), points.astype(np.float32)))
    return made


def test_a_pack_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    clip_set.write(clips(), EXPRESSIONS, "morphed", path, 25.0)
    read, making, rate = clip_set.read(path)
    assert (making, rate, len(read)) == ("morphed", 25.0, 8)
    for given, wanted in zip(read, clips(), strict=True):
        assert np.abs(given.frames.astype(int) - wanted.frames.astype(int)).max() <= 3
        np.testing.assert_array_equal(given.landmarks, wanted.landmarks)
        assert (given.label, given.person, given.strength) == (wanted.label, wanted.person, 0.5)
        assert given.moments == pytest.approx(wanted.moments)


def test_splits_are_by_person_and_the_name_says_how_clips_were_made(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    clip_set.write(clips(), EXPRESSIONS, "rendered", path)
    found = readers.read(path, 16)
    train, test = found.split("train"), found.split("private")
    assert isinstance(train, ClipSet) and isinstance(test, ClipSet)
    assert (len(train), len(test), len(found.split("public"))) == (3, 4, 1)
    assert (train.name, test.name) == ("rendered clips-train", "rendered clips-private")
    assert train.clips.shape == (3, 4, 16, 16) and train.paths.shape == (3, 4, 68, 2)
    np.testing.assert_array_equal(train.faces, train.clips[:, -1])
    assert train.paths.max() <= 1
    half = readers.read(path, 8).split("train")
    assert isinstance(half, ClipSet) and half.clips.shape == (3, 4, 8, 8)
    np.testing.assert_allclose(half.paths, train.paths, atol=1e-6)


def test_a_choice_takes_all_that_is_known_of_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    clip_set.write(clips(), EXPRESSIONS, "warped", path)
    test = readers.read(path, 16).split("private")
    few = test.take(np.array([2, 0]))
    assert isinstance(few, ClipSet) and isinstance(test, ClipSet)
    np.testing.assert_array_equal(few.clips, test.clips[[2, 0]])
    np.testing.assert_array_equal(few.moments, test.moments[[2, 0]])
    assert few.making == "warped" and few.sha256 != test.sha256
    assert few.sha256 == test.take(np.array([2, 0])).sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jpeg": None}, "has no 'jpeg'"),
        ({"making": np.array("filmed")}, "is no pack of clips: 4 frames, 12.5 a second, 'filmed'"),
        ({"rate": np.float64("nan")}, "is no pack of clips"),
        ({"frames": np.int64(5)}, "has 32 frames for 8 clips of 5"),
        ({"strength": np.zeros(3, np.float32)}, "strength has 3 rows for 8 clips"),
        ({"jpeg": np.zeros(100_000, np.uint8)}, "frame 0 is not a JPEG"),
    ],
)
def test_a_pack_that_is_none_is_told(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "clips.npz"
    clip_set.write(clips(), EXPRESSIONS, "rendered", path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | change
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    with pytest.raises(DataInvalid, match=message):
        clip_set.read(path)


def test_a_file_that_is_damaged_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    with pytest.raises(DataInvalid, match="cannot be read"):
        clip_set.read(path)
    path.write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(DataInvalid, match="is not an .npz"):
        clip_set.read(path)
