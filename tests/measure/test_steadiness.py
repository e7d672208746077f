"""How far readings of one face lie apart, its photograph turned and shrunk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import steadiness
from benchmarks.record import RECORDS
from benchmarks.steadiness import ANGLES, SCALES, copies, markdown, measure, seen, spread
from edge import bundle as bundles
from edge.results import Box, Face


def test_the_first_copy_is_the_picture_and_every_matrix_says_where_a_point_went() -> None:
    picture = np.zeros((200, 240, 3), np.uint8)
    picture[60:68, 80:88] = 255
    made = list(copies(picture))
    assert len(made) == len(ANGLES) * len(SCALES)
    np.testing.assert_array_equal(made[0][0], picture)
    for copy, matrix in made:
        x, y = matrix @ (83.5, 63.5, 1.0)
        rows, columns = np.nonzero(copy[..., 0] > 60)
        assert abs(columns.mean() - x) < 1 and abs(rows.mean() - y) < 1


def test_each_face_is_followed_through_the_copies_and_small_ones_are_left_out() -> None:
    """A detector that finds the two bright squares, one to become smaller than counts."""
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[160:280, 60:180] = 250
    picture[170:220, 300:350] = 120

    class Squares:
        def __call__(self, frame: np.ndarray) -> list[Face]:
            found = []
            for low, high in ((200, 255), (90, 150)):
                rows, columns = np.nonzero((frame[..., 0] > low) & (frame[..., 0] < high))
                if len(rows):
                    box = Box(columns.min(), rows.min(), np.ptp(columns) + 1.0, np.ptp(rows) + 1.0)
                    found.append(Face(box))
            return found

        def close(self) -> None:
            pass

    large, small = seen(picture, Squares())
    assert len(large) == len(ANGLES) * len(SCALES)
    assert 0 < len(small) < len(large)
    assert all(min(face.box.width, face.box.height) >= steadiness.LEAST for _, face in small)


def test_the_spread_is_the_weight_that_would_have_to_be_moved() -> None:
    apart, others = spread(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert apart == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    assert others == pytest.approx(1 / 3)
    assert spread(np.array([[0.2, 0.8]] * 4)) == pytest.approx((0, 0))


def test_a_bundle_is_measured_at_the_size_that_is_asked_for(bundle: Path) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    face = Face(Box(10, 10, 60, 60))
    loaded = bundles.load(bundle)
    row = measure([[(picture, face), (picture, face)]], loaded, 16)
    assert (row["crop"], row["input"], row["apart"], row["other_names"]) == (16, loaded.input.size, 0, 0)
    tilted = picture[:, ::-1].copy()
    assert measure([[(picture, face), (tilted, face)]], loaded, 16)["apart"] > 0


def test_the_records_table_has_a_row_for_each_measurement() -> None:
    path = RECORDS / "steadiness.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    lines = markdown(record).splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(record["rows"])
    assert {row["bundle"] for row in record["rows"]} == set(bundles.shipped())
