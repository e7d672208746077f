"""A head, posed, lit and photographed: grey pixels, with all that is known of them.

Start reading here: person -> expression -> actions -> units -> mesh -> pixels -> camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.results import Point
from train.synth.mesh import EYE, IRIS, TEETH, Head, Points
from train.synth.raster import Seen, normals, rasterise
from train.synth.skin import Complexion, Paint, reflectance

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
FOCAL = 70.0  # centimetres from the camera to the head's middle: a phone at arm's length
HIDDEN = 0.35  # a landmark is hidden when something is nearer than it by so many centimetres


@dataclass(frozen=True)
class View:
    """Degrees that the head is turned: ``yaw`` to its left, ``pitch`` up, ``roll`` clockwise as seen."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class Light:
    """A lamp and what all else throws: direction in degrees (0, 0: at the camera), shares 0-1 of white."""

    azimuth: float = 0.0
    elevation: float = 20.0
    lamp: float = 0.75
    around: float = 0.35
    shine: float = 0.08


@dataclass(frozen=True)
class Rendered:
    """``picture`` uint8 [S, S] grey; ``landmarks`` float32 [68, 2] in pixels; ``visible`` bool [68]."""

    picture: Grey
    landmarks: Floats
    visible: npt.NDArray[np.bool_]

    @property
    def five(self) -> tuple[Point, Point, Point, Point, Point]:
        """The five points of edge's landmarks: eyes, nose tip, corners of the mouth, smaller x first."""
        return five_of(self.landmarks)


def five_of(marks: Floats) -> tuple[Point, Point, Point, Point, Point]:
    """The five points of edge's landmarks among the 68 of ``marks`` [68, 2]: smaller x first."""
    points = (marks[36:42].mean(0), marks[42:48].mean(0), marks[30], marks[48], marks[54])
    right_eye, left_eye, nose, right_mouth, left_mouth = ((float(x), float(y)) for x, y in points)
    return right_eye, left_eye, nose, right_mouth, left_mouth


def render(
    head: Head,
    units: Mapping[str, float],
    painted: Paint,
    who: Complexion,
    *,
    view: View = View(),
    light: Light = Light(),
    size: int = 160,
    behind: Grey | None = None,
) -> Rendered:
    """Photograph ``head`` with ``units`` (name -> weight) into a square of ``size`` pixels.

    It is drawn twice as fine at first. ``behind`` uint8 [2 S, 2 S] is what is seen beside the head, None: mid
    grey. Raises DataInvalid for a unit that the head does not have.
    """
    fine = 2 * size
    shape = head.moved(units)
    turned = shape @ rotation(view).T
    points = projected(turned, fine)
    seen = rasterise(points, head.triangles, fine, fine)
    there = seen.triangle >= 0
    tissue = head.tissue[head.triangles[np.maximum(seen.triangle, 0), 0]]
    # One look for all that a pixel needs to know: its place on the mean head, its normal, its depth.
    known = np.hstack([head.rest, normals(turned, head.triangles), points[:, 2:]])
    where, normal, depth = np.split(seen.of(head.triangles, known), (3, 6), axis=-1)
    bright = _lit(normal, tissue, light)
    values = reflectance(where, tissue, painted, who, units) * bright[0] + bright[1]
    # The film's curve, as sRGB has it.
    grey = 255 * np.clip(values, 0, 1) ** (1 / 2.2)
    picture = np.where(there, grey, 118 if behind is None else behind).astype(np.float32)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    marks = points[head.landmarks]
    return Rendered(
        np.asarray(np.clip(np.rint(small), 0, 255), np.uint8),
        np.asarray((marks[:, :2] + 0.5) / 2 - 0.5, np.float32),
        _visible(seen, depth[..., 0], marks),
    )


def rotation(view: View) -> Points:
    """The matrix float32 [3, 3] that turns points (x to the person's left, y up, z to the viewer) by
    ``view``."""
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(-pitch)], [0, np.sin(-pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


def projected(shape: Points, size: int) -> Points:
    """Pixels x, y and depth z (nearer is larger) of a pinhole camera; the face fills half of the picture."""
    near = 1 / (1 - shape[:, 2] / FOCAL)
    scale = size / 30.0  # pixels per centimetre at the head's middle
    x = size / 2 + scale * shape[:, 0] * near
    y = size / 2 - scale * (shape[:, 1] - 0.5) * near
    return np.stack([x, y, shape[:, 2]], 1).astype(np.float32)


def _lit(normal: Points, tissue: npt.NDArray[np.uint8], light: Light) -> tuple[Floats, Floats]:
    """What falls on each pixel, and what it throws back as from a mirror; float32 [H, W] each.

    ``normal`` float32 [H, W, 3], of any length; ``tissue`` uint8 [H, W].
    """
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    azimuth, elevation = np.radians([light.azimuth, light.elevation])
    lamp = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)],
        np.float32,
    )
    # Skin lets light through: the terminator is soft (wrapped diffuse).
    facing = np.clip((normal @ lamp + 0.25) / 1.25, 0, 1)
    sky = 0.75 + 0.25 * normal[..., 1]
    between = lamp + np.array([0, 0, 1], np.float32)
    between /= np.linalg.norm(between)
    gloss = np.where(np.isin(tissue, (EYE, IRIS, TEETH)), 2.0, 1.0)
    mirrored = light.shine * gloss * np.clip(normal @ between, 0, 1) ** 24
    return np.asarray(light.lamp * facing + light.around * sky, np.float32), np.asarray(mirrored, np.float32)


def _visible(seen: Seen, depth: Floats, marks: Points) -> npt.NDArray[np.bool_]:
    """Whether nothing stands in front of each landmark, bool [68]. ``depth`` [H, W] is that of what is
    seen."""
    height, width = depth.shape
    x, y = np.rint(marks[:, 0]).astype(int), np.rint(marks[:, 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    nothing = seen.triangle[y, x] < 0
    return np.asarray(inside & (nothing | (depth[y, x] - marks[:, 2] < HIDDEN)), np.bool_)
