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
class _Seen:
    """A frame as the next one needs it: grey, halved so many times, and the shape that it had."""

    grey: npt.NDArray[np.uint8]
    shape: tuple[int, ...]
    halvings: int


class Flow:
    """Moves faces along with what is under them, by pyramidal Lucas-Kanade flow (Bouguet, 2001).

    A face moves as a whole: by the similarity (rotation, scale, shift) that fits the flow of its landmarks,
    or of a grid in its box where it has none, best. Its score stays that of the search that found it.
    """

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def remember(self, frame: Image, faces: Sequence[Face]) -> None:
        """In ``frame`` (uint8 [H, W, 3]) stand the ``faces``, one or more, that ``follow`` will ask for."""
        smallest = min(min(face.box.width, face.box.height) for face in faces)
        self._seen = _look(frame, int(math.log2(max(1.0, smallest / FACE))))

    def follow(self, frame: Image, faces: Sequence[Face]) -> list[Face] | None:
        """The ``faces`` of the remembered frame as they stand in this one, which is remembered in turn.

        None where one of them was lost, or cannot be followed: search this frame.
        """
        before, self._seen = self._seen, None
        if before is None or before.shape != frame.shape:
            return None
        now = _look(frame, before.halvings)
        start = _points(faces)
        # Pixels' centres have whole numbers, in the frame and in its smaller copies.
        shrunk = 2**now.halvings
        small = ((start.reshape(-1, 2) + 0.5) / shrunk - 0.5).astype(np.float32)
        there, found, change = cv2.calcOpticalFlowPyrLK(
            before.grey, now.grey, small, np.empty_like(small), winSize=WINDOW, maxLevel=LEVELS
        )
        if not found.all() or (change.reshape(len(faces), -1).mean(1) > MOST_CHANGE).any():
            return None
        end = ((there + 0.5) * shrunk - 0.5).reshape(start.shape)
        moved = _moved(faces, start, end)
        if moved is not None:
            self._seen = now
        return moved


def _look(frame: Image, halvings: int) -> _Seen:
    # Green is most of what grey is made of, and is there without a computation.
    grey = cv2.extractChannel(frame, 1)
    for _ in range(halvings):
        # OpenCV averages two by two pixels ten times as fast as any other number of them.
        height, width = (side // 2 for side in grey.shape)
        whole = grey[: 2 * height, : 2 * width]
        grey = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return _Seen(np.asarray(grey, np.uint8), frame.shape, halvings)


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
    """The faces, each moved as its points were; None where those of one do not move together.

    The fit is ``edge.align.similarity``'s, for all faces at once.
    """
    before, after = (points[..., 0].astype(complex) + 1j * points[..., 1] for points in (start, end))
    middle, goal = before.mean(1), after.mean(1)
    spread, moved = before - middle[:, None], after - goal[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = (spread.conj() * moved).sum(1) / (spread.conj() * spread).sum(1).real
    zoom = np.abs(turn)
    apart = np.abs(moved - turn[:, None] * spread).max(1)
    sides = np.sqrt([max(1.0, face.box.area) for face in faces])
    # Written so that what is no number does not hold either.
    holds = (zoom < MOST_ZOOM) & (zoom > 1 / MOST_ZOOM) & (apart < MOST_SPREAD * sides * zoom)
    if not holds.all():
        return None
    turns, shifts = turn.tolist(), (goal - turn * middle).tolist()
    return [_shifted(*each) for each in zip(faces, turns, shifts, strict=True)]


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
