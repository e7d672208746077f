"""Where known faces went since the last frame, by optical flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import Image
from edge.results import Box, Face, Point

FACE = 20  # pixels: motion is measured in a frame that is halved as long as its smallest face keeps this many
WINDOW = (11, 11)  # pixels of it around a point that must be found again
LEVELS = 2  # further halvings: motion of about 5 * 2**2 of its pixels is still seen
# Above these, what is under the points is no longer the face that was.
MOST_SPREAD = 0.06  # of a point from where the others say it should be, in sides of the face
MOST_CHANGE = 20.0  # mean grey levels between the windows before and after
MOST_ZOOM = 1.25  # of the face's size between two frames
Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A frame as is enough to compare it with another: grey, halved so many times, and the shape that it had.

    What stands at u in ``grey`` stands at ``scale`` * u + ``start`` in the frame, right and down, the centres
    of pixels having whole numbers.
    """

    grey: npt.NDArray[np.uint8]
    shape: tuple[int, ...]
    halvings: int

    @property
    def scale(self) -> int:
        """Pixels of the frame to one of ``grey``."""
        return int(2**self.halvings)

    @property
    def start(self) -> float:
        """Where in the frame the centre of the first pixel stands: of two by two the first, in ``look``."""
        return self.scale / 2 - (1.0 if self.halvings else 0.5)


class Flow:
    """Moves faces along with what is under them, by pyramidal Lucas-Kanade flow (Bouguet, 2001).

    A face moves as a whole: by the similarity (rotation, scale, shift) that fits the flow of its landmarks,
    or of a grid in its box where it has none, best. Its score stays that of the search that found it.
    """

    def __init__(self) -> None:
        self._seen: Look | None = None

    def remember(self, seen: Look) -> None:
        """In this frame stand the faces that ``follow`` will ask for."""
        self._seen = seen

    def follow(self, now: Look, faces: Sequence[Face]) -> list[Face] | None:
        """The ``faces`` of the remembered frame as they stand in this one, which is remembered in turn.

        None where one of them was lost, or cannot be followed: search this frame.
        """
        before, self._seen = self._seen, None
        if before is None or before.shape != now.shape or before.halvings != now.halvings:
            return None
        start = _points(faces)
        small = ((start.reshape(-1, 2) - now.start) / now.scale).astype(np.float32)
        there, found, change = cv2.calcOpticalFlowPyrLK(
            before.grey, now.grey, small, np.empty_like(small), winSize=WINDOW, maxLevel=LEVELS
        )
        if not found.all() or (change.reshape(len(faces), -1).mean(1) > MOST_CHANGE).any():
            return None
        end = (there * now.scale + now.start).reshape(start.shape)
        moved = _moved(faces, start, end)
        if moved is not None:
            self._seen = now
        return moved


def halvings_for(faces: Sequence[Face]) -> int:
    """How often a frame may be halved with each of these ``faces`` (one or more) still large enough."""
    smallest = min(min(face.box.width, face.box.height) for face in faces)
    return int(math.log2(max(1.0, smallest / FACE)))


def look(frame: Image, halvings: int) -> Look:
    """The uint8 [H, W, 3] BGR frame, looked at."""
    # Green is most of what grey is made of, and is there without a computation. Most of the time goes into
    # reading the frame from memory: of what is halved anyway every second row is left out.
    step = 2 if halvings else 1
    grey = np.ascontiguousarray(frame[: -step + 1 or None : step, : -step + 1 or None : step, 1])
    for _ in range(halvings - 1):
        # OpenCV averages two by two pixels ten times as fast as any other number of them.
        height, width = (side // 2 for side in grey.shape)
        whole = grey[: 2 * height, : 2 * width]
        grey = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Look(grey, frame.shape, halvings)


def _points(faces: Sequence[Face]) -> Points:
    """Where the flow is measured, float32 [faces, points, 2]: landmarks, or a grid in the box's middle."""
    marks = [face.landmarks for face in faces]
    if None not in marks:
        return np.array(marks, np.float32)
    places = [(u, v) for v in (0.3, 0.5, 0.7) for u in (0.3, 0.5, 0.7)]
    boxes = [face.box for face in faces]
    grids = [[(box.x + box.width * u, box.y + box.height * v) for u, v in places] for box in boxes]
    return np.array(grids, np.float32)


def _moved(faces: Sequence[Face], start: Points, end: Points) -> list[Face] | None:
    """The faces, each moved as its points were; None where those of one do not move together."""
    moved = []
    for face, before, after in zip(faces, start.tolist(), end.tolist(), strict=True):
        there = _move(face, before, after)
        if there is None:
            return None
        moved.append(there)
    return moved


def _move(face: Face, before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> Face | None:
    """The face under the similarity that is fitted as ``edge.align.similarity`` fits it."""
    begin, goal = [complex(x, y) for x, y in before], [complex(x, y) for x, y in after]
    middle, there = sum(begin) / len(begin), sum(goal) / len(goal)
    spread, moved = [point - middle for point in begin], [point - there for point in goal]
    extent = sum(abs(point) ** 2 for point in spread)
    if not extent:
        return None
    turn = sum(p.conjugate() * q for p, q in zip(spread, moved, strict=True)) / extent
    zoom = abs(turn)
    apart = max(abs(q - turn * p) for p, q in zip(spread, moved, strict=True))
    side = math.sqrt(max(1.0, face.box.area))
    # Written so that what is no number does not hold either.
    if not (1 / MOST_ZOOM < zoom < MOST_ZOOM and apart < MOST_SPREAD * side * zoom):
        return None
    return _shifted(face, turn, there - turn * middle)


def _shifted(face: Face, turn: complex, shift: complex) -> Face:
    """The face under the similarity p -> turn * p + shift of complex numbers; its box stays upright."""

    def place(point: Point) -> Point:
        image = turn * complex(*point) + shift
        return image.real, image.imag

    x, y = place(face.box.centre)
    width, height = face.box.width * abs(turn), face.box.height * abs(turn)
    box = Box(x - width / 2, y - height / 2, width, height)
    if face.landmarks is None:
        return Face(box, face.score)
    a, b, c, d, e = map(place, face.landmarks)
    return Face(box, face.score, (a, b, c, d, e))
