"""Readings drawn into a picture, or faces taken out of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.align import Image
from edge.results import Box, Reading

SURE, UNSURE = (80, 200, 60), (40, 160, 255)  # BGR: green, orange
WHITE, GREY, DIM, DARK = (255, 255, 255), (190, 190, 190), (150, 150, 150), (32, 28, 24)
FONT = cv2.FONT_HERSHEY_SIMPLEX
MOSAIC = 6  # blocks across a hidden face: too few to know anybody by


def annotated(frame: Image, readings: Sequence[Reading], privacy: bool) -> Image:
    """``draw``; with ``privacy`` the faces are taken out first."""
    return draw(hide_faces(frame, readings) if privacy else frame, readings)


def draw(frame: Image, readings: Sequence[Reading]) -> Image:
    """A copy of a uint8 [H, W, 3] BGR frame with each face's box, label and weights.

    All weights are shown where there is room beside the face, else the heaviest alone.
    """
    picture = frame.copy()
    unit = max(1.0, min(frame.shape[:2]) / 480)
    for reading in readings:
        _draw_box(picture, reading, unit)
    taken = [reading.face.box for reading in readings]
    for reading in readings:
        panel = _Panel(reading, unit)
        place = _place(reading.face.box, taken, panel, picture.shape)
        if place is None:
            _draw_tag(picture, reading, unit)
        else:
            panel.draw(picture, *place)
            taken.append(Box(*place, panel.width, panel.height))
    return picture


def hide_faces(frame: Image, readings: Sequence[Reading]) -> Image:
    """A copy of the frame in which every face is a mosaic of a few averaged blocks."""
    picture = frame.copy()
    for reading in readings:
        left, top, right, bottom = _inside(reading.face.box, frame, margin=0.25)
        if right <= left or bottom <= top:
            continue
        part = picture[top:bottom, left:right]
        blocks = cv2.resize(part, (MOSAIC, MOSAIC), interpolation=cv2.INTER_AREA)
        picture[top:bottom, left:right] = cv2.resize(
            blocks, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST
        )
    return picture


def _draw_box(picture: Image, reading: Reading, unit: float) -> None:
    box, colour = reading.face.box, _colour(reading)
    corner = (round(box.x), round(box.y))
    opposite = (round(box.x + box.width), round(box.y + box.height))
    cv2.rectangle(picture, corner, opposite, colour, max(1, round(2 * unit)), cv2.LINE_AA)


class _Panel:
    """A face's label, and a bar and number per expression."""

    def __init__(self, reading: Reading, unit: float) -> None:
        self._reading, self._unit, self._scale = reading, unit, 0.4 * unit
        self._line, self.gap = round(15 * unit), round(6 * unit)
        self._names = max(_text_width(name, self._scale) for name in reading.weights)
        self._bars, numbers = round(60 * unit), _text_width("0.00", self._scale)
        heading = _text_width(_heading(reading), self._scale * 1.2)
        self.width = max(self._names + self._bars + numbers + 2 * self.gap, heading) + 2 * self.gap
        self.height = self._line * (len(reading.weights) + 1) + 2 * self.gap

    def draw(self, picture: Image, left: int, top: int) -> None:
        """Paint the panel at this place."""
        unit, reading, scale = self._unit, self._reading, self._scale
        _shade(picture, left, top, self.width, self.height)
        x, y = left + self.gap, top + self.gap + self._line - round(4 * unit)
        _text(picture, _heading(reading), (x, y), scale * 1.2, _colour(reading), unit)
        for name, weight in reading.weights.items():
            y += self._line
            heaviest = name == reading.expression
            ink, bar = (WHITE, _colour(reading)) if heaviest else (GREY, DIM)
            _text(picture, name, (x, y), scale, ink, unit)
            start, length = x + self._names + self.gap, max(1, round(self._bars * weight))
            cv2.rectangle(picture, (start, y - round(8 * unit)), (start + length, y), bar, -1)
            _text(picture, f"{weight:.2f}", (start + self._bars + self.gap, y), scale, ink, unit)


def _place(box: Box, taken: Sequence[Box], panel: _Panel, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Left and top of a panel beside its face, within the frame and clear of all that is ``taken``."""
    gap, x, y = panel.gap, round(box.x), round(box.y)
    beside = max(0, min(y, shape[0] - panel.height))
    right, below = round(box.x + box.width + gap), round(box.y + box.height + gap)
    for left, top in (
        (right, beside),
        (x - gap - panel.width, beside),
        (x, below),
        (x, y - gap - panel.height),
    ):
        spot = Box(left, top, panel.width, panel.height)
        inside = 0 <= left <= shape[1] - panel.width and 0 <= top <= shape[0] - panel.height
        if inside and all(spot.overlap(other) == 0 for other in taken):
            return left, top
    return None


def _draw_tag(picture: Image, reading: Reading, unit: float) -> None:
    """The label and the heaviest weight over the box, or under it at the frame's top."""
    scale, box = 0.35 * unit, reading.face.box
    text = f"{_heading(reading)} {reading.weights[reading.expression]:.2f}"
    wide, high = _text_width(text, scale) + 4, round(12 * unit)
    left = max(0, min(round(box.x), picture.shape[1] - wide))
    top = round(box.y) - high - 1 if box.y > high else round(box.y + box.height) + 1
    _shade(picture, left, top, wide, high)
    _text(picture, text, (left + 2, top + high - round(3 * unit)), scale, _colour(reading), unit)


def _heading(reading: Reading) -> str:
    return reading.label if reading.track is None else f"#{reading.track} {reading.label}"


def _shade(picture: Image, left: int, top: int, wide: int, high: int) -> None:
    part = picture[max(0, top) : top + high, max(0, left) : left + wide]
    part[:] = (part * 0.25 + np.array(DARK) * 0.75).astype(np.uint8)


def _text(
    picture: Image, text: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int], unit: float
) -> None:
    cv2.putText(picture, text, at, FONT, scale, colour, max(1, round(unit)), cv2.LINE_AA)


def _text_width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, FONT, scale, 1)[0][0])


def _colour(reading: Reading) -> tuple[int, int, int]:
    return UNSURE if reading.doubts else SURE


def _inside(box: Box, frame: Image, margin: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the box, widened by ``margin`` of its sides, within the frame."""
    height, width = frame.shape[:2]
    more_x, more_y = box.width * margin, box.height * margin
    left, top = max(0, int(box.x - more_x)), max(0, int(box.y - more_y))
    right = min(width, int(np.ceil(box.x + box.width + more_x)))
    bottom = min(height, int(np.ceil(box.y + box.height + more_y)))
    return left, top, right, bottom
