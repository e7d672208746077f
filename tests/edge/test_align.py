"""Geometry: property tests over similarities, and pictures with known answers."""

from __future__ import annotations

import dataclasses
import math
from typing import cast

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.align import align, between_crops, crop_matrix, sharpness, similarity, turn_of
from edge.bundle_files.sections import CropRule, InputSpec
from edge.results import Box, Face, Landmarks, Point

TEMPLATE = ((0.32, 0.4), (0.68, 0.4), (0.5, 0.6), (0.36, 0.75), (0.64, 0.75))
RULE = CropRule(TEMPLATE, box_scale=1.0, box_shift=(0.0, 0.0))
GREY = InputSpec(48, "grey", (0.0,), (1.0,))
coordinate = st.floats(-500, 500)
points = st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=8)
angles = st.floats(-math.pi, math.pi)


def moved(source: list[Point], angle: float, scale: float, shift: Point) -> list[Point]:
    turn = scale * complex(math.cos(angle), math.sin(angle))
    images = [turn * complex(*point) + complex(*shift) for point in source]
    return [(image.real, image.imag) for image in images]


def apply(matrix: np.ndarray, source: object) -> np.ndarray:
    return np.asarray(source, float) @ matrix[:, :2].T + matrix[:, 2]


@given(points, angles, st.floats(0.05, 20), st.tuples(coordinate, coordinate))
def test_a_similarity_is_recovered(source: list[Point], angle: float, scale: float, shift: Point) -> None:
    assume(np.ptp(np.array(source), axis=0).max() > 1)
    target = moved(source, angle, scale, shift)
    np.testing.assert_allclose(apply(similarity(source, target), source), target, atol=1e-6 * 500 * 20)


@given(points, points)
def test_it_is_a_rotation_and_one_scale_and_keeps_the_centroid(
    source: list[Point], target: list[Point]
) -> None:
    count = min(len(source), len(target))
    source, target = source[:count], target[:count]
    assume(np.ptp(np.array(source), axis=0).max() > 1)
    matrix = similarity(source, target)
    np.testing.assert_allclose(matrix[0, 0], matrix[1, 1])
    np.testing.assert_allclose(matrix[0, 1], -matrix[1, 0])
    np.testing.assert_allclose(apply(matrix, np.mean(source, 0)), np.mean(target, 0), atol=1e-6)


@given(points, points, angles, st.floats(0.9, 1.1))
def test_no_other_similarity_is_closer(
    source: list[Point], target: list[Point], angle: float, scale: float
) -> None:
    count = min(len(source), len(target))
    source, target = source[:count], target[:count]
    assume(np.ptp(np.array(source), axis=0).max() > 1)
    best = apply(similarity(source, target), source)
    centre = best.mean(0)
    other = np.array(moved([tuple(p) for p in best - centre], angle, scale, (0, 0))) + centre
    assert ((best - target) ** 2).sum() <= ((other - target) ** 2).sum() + 1e-6


@given(scale=st.floats(0.5, 4), angle=st.floats(-1, 1), x=st.floats(-50, 50), y=st.floats(-50, 50))
def test_a_place_in_one_crop_is_the_same_place_in_another(
    scale: float, angle: float, x: float, y: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    where = np.array(RULE.landmarks) * 100 @ turn.T + (x, y)
    face = Face(Box(0, 0, 100, 100), 1.0, cast(Landmarks, tuple((float(u), float(v)) for u, v in where)))
    other = dataclasses.replace(
        RULE, landmarks=tuple((0.1 + 0.7 * u, 0.2 + 0.7 * v) for u, v in RULE.landmarks)
    )
    spots = np.array([[0.3, 0.4], [0.9, 0.1]])
    way = between_crops(face, other, 64, RULE, 48)
    moved = spots @ way[:, :2].T + way[:, 2]
    for spot, place in zip(spots, moved, strict=True):
        frames = [
            np.linalg.inv(np.vstack([crop_matrix(face, rule, size), (0, 0, 1)])) @ (*(point * size - 0.5), 1)
            for rule, size, point in ((other, 64, spot), (RULE, 48, place))
        ]
        np.testing.assert_allclose(*frames, atol=1e-6)


def test_points_in_one_place_fall_back_to_the_box() -> None:
    face = Face(Box(10, 20, 40, 40), landmarks=cast("Landmarks", ((5.0, 5.0),) * 5))
    np.testing.assert_array_equal(crop_matrix(face, RULE, 48), crop_matrix(Face(face.box), RULE, 48))


@given(angles, st.floats(0.2, 12), st.floats(200, 400), st.floats(200, 400))
def test_landmarks_land_on_the_template(angle: float, scale: float, x: float, y: float) -> None:
    source = moved([(px * 48, py * 48) for px, py in TEMPLATE], angle, scale, (x, y))
    face = Face(Box(x, y, 48 * scale, 48 * scale), landmarks=cast("Landmarks", tuple(source)))
    landed = apply(crop_matrix(face, RULE, 48), source)
    np.testing.assert_allclose(landed, np.array(TEMPLATE) * 48, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 2.7, 6.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_the_crop_shows_what_lies_under_the_landmarks(scale: float, angle: float) -> None:
    """Five blobs in a large dark frame must appear at the template's places, at any scale and rotation."""
    frame = np.zeros((500, 500, 3), np.uint8)
    offset = complex(250, 250) - scale * complex(math.cos(angle), math.sin(angle)) * complex(24, 26)
    source = moved([(px * 48, py * 48) for px, py in TEMPLATE], angle, scale, (offset.real, offset.imag))
    for px, py in source:
        centre = (round(px * 16), round(py * 16))
        cv2.circle(frame, centre, round(2.2 * scale * 16), (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    face = Face(Box(0, 0, 1, 1), landmarks=cast("Landmarks", tuple(source)))
    crop = align(frame, face, RULE, GREY).astype(float)
    for px, py in TEMPLATE:
        x, y = round(px * 48), round(py * 48)
        patch = crop[y - 4 : y + 5, x - 4 : x + 5]
        rows, columns = np.mgrid[y - 4 : y + 5, x - 4 : x + 5]
        assert patch.max() > 150
        assert abs((patch * columns).sum() / patch.sum() - px * 48) < 0.75
        assert abs((patch * rows).sum() / patch.sum() - py * 48) < 0.75


@given(
    st.floats(-900, 900),
    st.floats(-900, 900),
    st.floats(0.5, 2000),
    st.floats(0.5, 2000),
    st.sampled_from(["grey", "rgb", "bgr"]),
)
def test_any_box_gives_a_crop(x: float, y: float, width: float, height: float, colour: str) -> None:
    frame = np.full((60, 90, 3), 200, np.uint8)
    channels = 1 if colour == "grey" else 3
    spec = InputSpec(16, colour, (0.0,) * channels, (1.0,) * channels)  # type: ignore[arg-type]
    crop = align(frame, Face(Box(x, y, width, height)), RULE, spec)
    assert crop.dtype == np.uint8
    assert crop.shape == ((16, 16) if channels == 1 else (16, 16, 3))


def test_a_box_crop_is_the_box() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[20:68, 30:78] = 180
    crop = align(frame, Face(Box(30, 20, 48, 48)), RULE, GREY)
    assert crop.min() == 180


def test_colours_are_ordered_as_asked() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:] = (10, 20, 30)
    for colour, expected in (("bgr", (10, 20, 30)), ("rgb", (30, 20, 10))):
        spec = InputSpec(16, colour, (0.0,) * 3, (1.0,) * 3)  # type: ignore[arg-type]
        assert tuple(align(frame, Face(Box(0, 0, 64, 64)), RULE, spec)[8, 8]) == expected


def test_what_lies_outside_the_frame_is_black() -> None:
    frame = np.full((50, 50, 3), 255, np.uint8)
    crop = align(frame, Face(Box(-25, 0, 50, 50)), RULE, GREY)
    assert crop[:, :20].max() == 0
    assert crop[2:-2, 28:-2].min() == 255


def test_a_crop_has_the_training_faces_size_not_the_inputs() -> None:
    """Detail finer than the training faces had is averaged away, though the network's input could hold it."""
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:, ::2] = 255
    spec = InputSpec(96, "grey", (0.0,), (1.0,))
    face = Face(Box(0, 0, 96, 96))
    assert align(frame, face, RULE, spec).std() > 120
    crop = align(frame, face, dataclasses.replace(RULE, size=48), spec)
    assert crop.shape == (48, 48)
    assert abs(crop[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    """A fine chessboard has one right colour when shrunk: grey."""
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[::2, ::2] = frame[1::2, 1::2] = 255
    crop = align(frame, Face(Box(0, 0, 480, 480)), RULE, GREY)
    assert abs(crop[4:-4, 4:-4].astype(int) - 127).max() <= 2


@given(angles, st.floats(0.5, 5))
def test_turn_ignores_roll_and_size(angle: float, scale: float) -> None:
    frontal = moved(list(TEMPLATE), angle, scale, (3, 4))
    turn = turn_of(Face(Box(0, 0, 1, 1), landmarks=cast("Landmarks", tuple(frontal))))
    assert turn == pytest.approx(0, abs=1e-9)
    aside = [*TEMPLATE[:2], (0.5 + 0.35 * 0.5, 0.6), *TEMPLATE[3:]]
    turned = moved(aside, angle, scale, (3, 4))
    turn = turn_of(Face(Box(0, 0, 1, 1), landmarks=cast("Landmarks", tuple(turned))))
    assert turn == pytest.approx(0.5)


def test_turn_is_unknown_without_landmarks() -> None:
    assert turn_of(Face(Box(0, 0, 1, 1))) is None


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    rng = np.random.default_rng(0)
    crop = cv2.GaussianBlur(rng.integers(0, 256, (48, 48)).astype(np.uint8), (0, 0), 1.0)
    values = [sharpness(cv2.GaussianBlur(crop, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert sharpness((crop // 2 + 20).astype(np.uint8)) == pytest.approx(sharpness(crop), rel=0.1)
    assert sharpness(np.full((48, 48), 90, np.uint8)) == 0


def test_sharpness_of_a_larger_crop_is_that_of_the_face_at_the_size_of_the_bound() -> None:
    rng = np.random.default_rng(0)
    crop = cv2.GaussianBlur(rng.integers(0, 256, (48, 48)).astype(np.uint8), (0, 0), 1.0)
    larger = np.asarray(cv2.resize(crop, (96, 96), interpolation=cv2.INTER_LINEAR), np.uint8)
    assert sharpness(larger) < 0.7 * sharpness(crop)
    assert sharpness(larger, 48) == pytest.approx(sharpness(crop), rel=0.15)
    assert sharpness(crop, 96) == sharpness(crop)
