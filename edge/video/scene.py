"""Whether anything came into the picture that was not there when it was last searched for faces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.results import Box, Point
from edge.video.flow import Look

ACROSS = 40  # cells along the picture's longer side: 16 pixels each of a frame of 640
NEW = 12.0  # grey levels beyond what stood in a cell or around it
BLOWN = 100.0  # and as many more times the change of the light: what was white before cannot follow it
STIR = 4.0  # grey levels between two looks, where something moves
STILL = 0.25  # of the cells: where more stir, it is the camera that moves
STRIP = 3  # cells: so wide a strip that the camera turned to may hold a face
MARGIN = 0.35  # of a known face's box, on each side: hair and collar move with it
Cells = npt.NDArray[np.uint8]
_AROUND = np.ones((3, 3), np.uint8)


class Scene:
    """The picture at the last search, coarsely, and the ``boxes`` of the faces that were found in it.

    A cell is new where it is brighter or darker than it and its neighbours were: noise, edges that sway and
    slow drift are not. The light as a whole may change, and the camera may have moved as the known faces did:
    the picture is held against the former one as it stood, and moved by as much.
    """

    def __init__(self, look: Look, boxes: Sequence[Box]) -> None:
        cells = _cells(look)
        self._shape, self._cells = cells.shape, cells.astype(np.float32) + 1
        self._dark = cv2.erode(cells, _AROUND).astype(np.float32)
        self._bright = cv2.dilate(cells, _AROUND).astype(np.float32)
        self._boxes, self._before = tuple(boxes), cells.astype(np.float32)
        self._middle = _middle(boxes)

    def news(self, look: Look, boxes: Sequence[Box]) -> bool:
        """Whether something new stands in this frame, apart from the known faces, which are at ``boxes``."""
        cells = _cells(look)
        if cells.shape != self._shape:
            return True
        light = _median((cells + np.float32(1)) / self._cells)
        self._least = NEW + BLOWN * abs(light - 1)
        seen = (cells / light).astype(np.float32)
        cell = max(look.shape[:2]) / ACROSS
        _hide(seen, boxes, cell)
        with np.errstate(invalid="ignore"):  # what is hidden is no number, and neither moves nor is new
            stirs = np.abs(seen - self._before) > STIR
        self._before = seen
        if np.count_nonzero(stirs) < STILL * stirs.size and _square(stirs):
            return True
        if not self._new(seen, self._boxes, cell, (0, 0)):
            return False
        moved = self._moved(boxes, cell)
        return moved == (0, 0) or self._new(seen, (), cell, moved)

    def _moved(self, boxes: Sequence[Box], cell: float) -> tuple[int, int]:
        """By how many cells the known faces went, right and down."""
        now = _middle(boxes)
        if now is None or self._middle is None or len(boxes) != len(self._boxes):
            return 0, 0
        return round((now[0] - self._middle[0]) / cell), round((now[1] - self._middle[1]) / cell)

    def _new(
        self, seen: npt.NDArray[np.float32], gone: Sequence[Box], cell: float, moved: tuple[int, int]
    ) -> bool:
        """Whether too much is new if the camera ``moved``; where faces are ``gone`` from does not count."""
        across, down = moved
        high, wide = self._shape
        if abs(across) >= STRIP or abs(down) >= STRIP:
            return True
        now = (slice(max(0, down), high + min(0, down)), slice(max(0, across), wide + min(0, across)))
        was = (slice(max(0, -down), high + min(0, -down)), slice(max(0, -across), wide + min(0, -across)))
        part = seen[now]
        with np.errstate(invalid="ignore"):
            new = (part > self._bright[was] + self._least) | (part < self._dark[was] - self._least)
        for box in gone:
            new[_place(box, cell)] = False
        return _square(new)


def _median(values: npt.NDArray[np.float32]) -> float:
    """As np.median has it, which would load numpy's masked arrays for it."""
    ordered = np.sort(values, axis=None)
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _square(cells: npt.NDArray[np.bool_]) -> bool:
    """Whether two by two of the cells are all set: as much as may be a face."""
    return bool((cells[:-1, :-1] & cells[1:, :-1] & cells[:-1, 1:] & cells[1:, 1:]).any())


def _cells(look: Look) -> Cells:
    height, width = look.shape[:2]
    scale = ACROSS / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(look.grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _middle(boxes: Sequence[Box]) -> Point | None:
    """The middle of all boxes' centres."""
    if not boxes:
        return None
    across, down = zip(*(box.centre for box in boxes), strict=True)
    return sum(across) / len(boxes), sum(down) / len(boxes)


def _hide(seen: npt.NDArray[np.float32], boxes: Sequence[Box], cell: float) -> None:
    for box in boxes:
        seen[_place(box, cell)] = np.nan


def _place(box: Box, cell: float) -> tuple[slice, slice]:
    """The cells of a face and what moves with it."""
    wide, high = MARGIN * box.width, MARGIN * box.height
    left, top = int(max(0.0, box.x - wide) / cell), int(max(0.0, box.y - high) / cell)
    right, bottom = (box.x + box.width + wide) / cell, (box.y + box.height + high) / cell
    return slice(top, max(0, int(bottom) + 1)), slice(left, max(0, int(right) + 1))
