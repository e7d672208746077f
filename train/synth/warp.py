"""A photograph moved by a field of displacements: what a small action does to a face that was photographed
still.

A field comes from points and where they go (``field_of``), as measured on other faces or as a mesh's units
have it (``action_points``). Between points it is a thin-plate spline (Bookstein, 1989), still at the
picture's frame.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.synth.mesh import Head

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Field = npt.NDArray[np.float32]
FRAME = 8  # points on each side of the picture that stay where they are
COARSE = 4  # a spline is worked out at every fourth pixel, and is smooth between


def warp(picture: Grey, field: Field, strength: float = 1.0) -> Grey:
    """``picture`` uint8 [H, W] moved by ``strength`` times ``field`` float32 [H, W, 2].

    A field says for each pixel of the result how far what is seen there has come, in pixels. Raises
    DataInvalid where the shapes differ.
    """
    if field.shape != (*picture.shape, 2):
        raise DataInvalid(f"a field of {field.shape} cannot move a picture of {picture.shape}")
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    moved = cv2.remap(
        picture,
        columns - np.float32(strength) * field[..., 0],
        rows - np.float32(strength) * field[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)


def field_of(points: Floats, moved: Floats, height: int, width: int) -> Field:
    """The field float32 [height, width, 2] that brings ``points`` [N, 2] to ``moved`` [N, 2], in pixels.

    The spline is anchored at the places where things arrive, as ``warp`` asks. Raises DataInvalid for points
    that are no numbers or not as many as ``moved``.
    """
    if points.shape != moved.shape or points.ndim != 2 or not np.isfinite(points + moved).all():
        raise DataInvalid(f"{points.shape} points cannot be moved to {moved.shape} places")
    side = np.linspace(0, 1, FRAME, endpoint=False)
    square = np.concatenate([np.stack([side, 0 * side], 1), np.stack([1 + 0 * side, side], 1)])
    frame = np.concatenate([square, 1 - square]) * (width - 1, height - 1)
    anchors = np.concatenate([moved, frame]).astype(np.float64)
    wanted = np.concatenate([moved - points, np.zeros_like(frame)]).astype(np.float64)
    # Points that fall together ask for one thing only: a little stiffness takes their mean.
    kernel = _bend(anchors, anchors) + 1e-3 * np.eye(len(anchors)) * max(height, width)
    line = np.column_stack([np.ones(len(anchors)), anchors])
    system = np.block([[kernel, line], [line.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.concatenate([wanted, np.zeros((3, 2))]))
    coarse = (-(-height // COARSE) + 1, -(-width // COARSE) + 1)
    rows, columns = np.mgrid[: coarse[0], : coarse[1]].astype(np.float64) * COARSE
    places = np.stack([columns.ravel(), rows.ravel()], 1)
    known = np.column_stack([_bend(places, anchors), np.ones(len(places)), places])
    grid = (known @ weights).reshape(*coarse, 2).astype(np.float32)
    # Sample k of the grid lies at pixel k * COARSE, which cv2.resize would not have it.
    to_grid = np.mgrid[:height, :width].astype(np.float32) / COARSE
    return np.asarray(cv2.remap(grid, to_grid[1], to_grid[0], cv2.INTER_CUBIC), np.float32)


def action_points(head: Head, units: Mapping[str, float], landmarks: Floats) -> npt.NDArray[np.float64]:
    """Where the 68 ``landmarks`` [68, 2] of a photograph go when its face does what ``head`` does with
    ``units``.

    The head is laid over the photograph by the similarity that fits its landmarks best, seen from the front.
    """
    place = head.landmarks
    still = head.neutral[place][:, :2] * (1, -1)
    gone = head.moved(units)[place][:, :2] * (1, -1) - still
    middle, target = still.mean(0), landmarks.mean(0)
    a, b = (complex_of(each) for each in (still - middle, landmarks - target))
    turn = np.vdot(a, b) / np.vdot(a, a)
    moved = complex_of(gone) * turn
    return np.asarray(landmarks + np.stack([moved.real, moved.imag], 1), np.float64)


def complex_of(points: Floats) -> npt.NDArray[np.complex128]:
    """Points [N, 2] as complex numbers [N]: a similarity is a product then."""
    return np.asarray(points[:, 0] + 1j * points[:, 1], np.complex128)


def _bend(places: Floats, anchors: Floats) -> npt.NDArray[np.float64]:
    """r^2 ln r between all places and anchors, float64 [P, A]."""
    squared = ((places[:, None] - anchors[None]) ** 2).sum(-1)
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)), np.float64)
