"""Faces on their side or upside down: which way up the picture is, by how sure the detector is of its faces.

YuNet finds 88 % of upside-down faces, and puts eyes and mouth where they would be in an upright one: the
expression that is then read is wrong six times in ten, and no measure of the face says so. But its score
does: searched in all four quarter turns, the right one has the highest score for every face that is rolled
by 0, 90 or 180 degrees and for nine in ten that are rolled by 30 more (benchmarks/rolled.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.align import Image
from edge.detect import Detector
from edge.results import Box, Face, Point

TURNS = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
SURE = 0.88  # a face with this score stands upright: so have all upright ones, and 3 % of those on their head
FOUND = 0.75  # the least score of a face that is there in a turned picture only
BETTER = 0.03  # by so much a turned picture must be surer of a face
OVERLAP = 0.3  # IoU of two boxes that are one face
MOST_WAIT = 100  # searches of a video from one look at all four turns to the next


class Upright:
    """Searches a picture with ``detector``, whose faces have scores and landmarks, the right way up.

    A call is for a still: where no face is found, or one that is not sure, the three other turns are
    searched too, and each face is taken from the turn that is surest of it. ``search`` is for the frames of
    a video, whose faces all stand as its camera does: while most of them are not sure, the turn is looked
    for in the first frames and then seldom.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.restart()

    def restart(self) -> None:
        """Another video begins."""
        self._turn, self._wait, self._until = 0, 1, 0

    def __call__(self, frame: Image) -> Sequence[Face]:
        """The faces of a still, uint8 [H, W, 3] BGR, in its pixels, the surest first."""
        upright = self._detector(frame)
        return upright if _sure(upright) else surest([upright, *(self._turned(frame, k) for k in (1, 2, 3))])

    def search(self, frame: Image) -> Sequence[Face]:
        """The faces of a video's frame, in its pixels."""
        faces = self._turned(frame, self._turn)
        self._until -= 1
        if self._until >= 0 or _mostly_sure(faces):
            return faces
        self._until, self._wait = self._wait, min(MOST_WAIT, 2 * self._wait)
        found = [faces if turn == self._turn else self._turned(frame, turn) for turn in range(len(TURNS))]
        sums = [sum(face.score or 0.0 for face in each if (face.score or 0.0) >= FOUND) for each in found]
        best = int(np.argmax(sums))
        if sums[best] > sums[self._turn] + BETTER:
            self._turn = best
        return found[self._turn]

    def _turned(self, frame: Image, turn: int) -> Sequence[Face]:
        """The faces that are found in the picture turned so many quarters clockwise, in its own pixels."""
        way = TURNS[turn]
        if way is None:
            return self._detector(frame)
        height, width = frame.shape[:2]
        turned = np.asarray(cv2.rotate(frame, way), np.uint8)
        return [turn_back(face, turn, width, height) for face in self._detector(turned)]

    def close(self) -> None:
        """Free the detector."""
        self._detector.close()


def surest(found: Sequence[Sequence[Face]]) -> list[Face]:
    """One list of what was found in each turn, the upright one first: of two that are one face, the surer."""
    ranked = [
        (face.score or 0.0, (face.score or 0.0) + (0 if turn else BETTER), face)
        for turn, faces in enumerate(found)
        for face in faces
        if turn == 0 or (face.score or 0.0) >= FOUND
    ]
    kept: list[tuple[float, Face]] = []
    for score, _, face in sorted(ranked, key=lambda each: -each[1]):
        if all(face.box.iou(other.box) < OVERLAP for _, other in kept):
            kept.append((score, face))
    return [face for _, face in sorted(kept, key=lambda each: -each[0])]


def turn_back(face: Face, turn: int, width: int, height: int) -> Face:
    """A face of the picture that was turned so many quarters clockwise, in that of ``width`` x ``height``."""

    def back(point: Point) -> Point:
        x, y = point
        return ((x, y), (y, height - x), (width - x, height - y), (width - y, x))[turn]

    box = face.box
    corners = back((box.x, box.y)), back((box.x + box.width, box.y + box.height))
    (left, right), (top, bottom) = (sorted(each) for each in zip(*corners, strict=True))
    upright = Box(left, top, right - left, bottom - top)
    if face.landmarks is None:
        return Face(upright, face.score)
    a, b, c, d, e = map(back, face.landmarks)
    return Face(upright, face.score, (a, b, c, d, e))


def _sure(faces: Sequence[Face]) -> bool:
    return bool(faces) and all((face.score or 0.0) >= SURE for face in faces)


def _mostly_sure(faces: Sequence[Face]) -> bool:
    """Of faces that all stand the same way, some may be too small or too far turned to be sure of."""
    return 2 * sum((face.score or 0.0) >= SURE for face in faces) > len(faces)
