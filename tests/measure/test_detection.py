"""The measurements that the defaults of the search rest on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import install
from benchmarks.detection import sizes, table
from benchmarks.detection.following import EVERY, follow, jitter, pooled
from benchmarks.peers import clips
from benchmarks.record import RECORDS
from edge.results import Box, Face


def test_a_scene_shows_the_face_where_it_says_and_as_large() -> None:
    picture = np.zeros((160, 160, 3), np.uint8)
    picture[40:120, 48:112] = 255
    ((frame, placed),) = sizes.scenes([(picture, Box(48, 40, 64, 80))])
    assert frame.shape == (clips.HEIGHT, clips.WIDTH, 3)
    assert [side for side, _ in placed] == list(sizes.SIDES)
    for side, box in placed:
        assert min(box.width, box.height) == pytest.approx(side, abs=1)
        left, top = round(box.x), round(box.y)
        inside = frame[top + 2 : round(box.y + box.height) - 2, left + 2 : round(box.x + box.width) - 2]
        assert inside.mean() > 235
        assert frame[top + side // 2, left - max(3, side // 4)].mean() < 40


def test_a_small_face_is_never_enlarged() -> None:
    ((_, placed),) = sizes.scenes([(np.zeros((50, 50, 3), np.uint8), Box(10, 10, 25, 30))])
    assert [side for side, _ in placed] == [24, 20, 16]


def test_jitter_is_what_is_left_of_the_cameras_own_motion() -> None:
    def faces(index: int, off: float) -> list[Face]:
        x, y = clips.place(index)
        corner = (300.0 - x + off, 200.0 - y)
        return [Face(Box(*corner, 100, 100), 0.9, (corner, corner, corner, corner, corner))]

    assert jitter([faces(index, 0) for index in range(9)]) == 0
    assert jitter([faces(index, 5 * (index % 2)) for index in range(9)]) == pytest.approx(0.05)


def test_following_is_held_against_a_search_of_every_frame(bundle: Path, data: Path) -> None:
    grain = np.random.default_rng(5).integers(0, 30, (60, 80, 1), np.uint8).repeat(3, 2)
    frame = grain.repeat(8, 0).repeat(8, 1)
    frame[107:160, 160:213] += 225
    found = follow([frame] * 10, 3, data / "tiny_yunet.onnx", str(bundle), known=False)
    assert found["frames"] == found["faces"] == found["found"] == 10 and found["beyond"] == 0
    assert found["searches"] == 4 and found["pairs"] == 9 and found["flips"] == 0
    every = {str(k): found for k in EVERY}
    assert pooled({"a": every, "b": every})["3"]["faces"] == 20


def test_the_records_tables_have_a_row_for_each_measurement() -> None:
    record = json.loads((RECORDS / "detection.json").read_text())
    assert table.sizes(record).count("\n| ") == len(record["by_size"]["detectors"])
    assert table.following(record).count("\n| every") == len(EVERY)
    brought = json.loads((RECORDS / "install.json").read_text())
    rows = install.markdown(brought).splitlines()
    assert [row.split(" | ")[0][2:] for row in rows[2:5]] == list(brought["engines"])
