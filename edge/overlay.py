"""Readings drawn into a picture, or faces taken out of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.align import Image
from edge.results import Box, Reading

SURE, UNSURE = (80, 200, 60), (40, 160, 255)  # BGR: green, orange
WHITE, DARK = (255, 255, 255), (32, 28, 24)
FONT = cv2.FONT_HERSHEY_SIMPLEX
MOSAIC = 6  # blocks across a hidden face: too few to know anybody by


def draw(frame: Image, readings: Sequence[Reading]) -> Image:
    """A copy of a uint8 [H, W, 3] BGR frame with each face's box, label and weights."""
    picture = frame.copy()
    unit = max(1.0, min(frame.shape[:2]) / 480)
    for reading in readings:
        _draw_box(picture, reading, unit)
    for reading in readings:  # panels last, so that no box crosses one
        _draw_panel(picture, reading, unit)
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


def _draw_panel(picture: Image, reading: Reading, unit: float) -> None:
    """The label and a bar per expression, where there is room: right of the box, left, or over it."""
    height, width = picture.shape[:2]
    scale, line = 0.4 * unit, round(15 * unit)
    heading = reading.label if reading.track is None else f"#{reading.track} {reading.label}"
    name_width = max(_text_width(name, scale) for name in reading.weights)
    bar_width, gap = round(60 * unit), round(6 * unit)
    wide = max(name_width + bar_width, _text_width(heading, scale * 1.2)) + 3 * gap
    high = line * (len(reading.weights) + 1) + 2 * gap
    box = reading.face.box
    left = round(box.x + box.width + gap)
    if left + wide > width:
        left = round(box.x - gap - wide)
    if left < 0:
        left = max(0, min(round(box.x), width - wide))
    top = max(0, min(round(box.y), height - high))
    _shade(picture, left, top, wide, high)
    x, y = left + gap, top + gap + line - round(4 * unit)
    _text(picture, heading, x, y, scale * 1.2, _colour(reading), unit)
    for name, weight in reading.weights.items():
        y += line
        top_one = name == reading.expression
        _text(picture, name, x, y, scale, WHITE if top_one else (190, 190, 190), unit)
        start = x + name_width + gap
        end = (start + max(1, round(bar_width * weight)), y)
        cv2.rectangle(
            picture, (start, y - round(8 * unit)), end, _colour(reading) if top_one else (150, 150, 150), -1
        )


def _shade(picture: Image, left: int, top: int, wide: int, high: int) -> None:
    part = picture[top : top + high, left : left + wide]
    part[:] = (part * 0.25 + np.array(DARK) * 0.75).astype(np.uint8)


def _text(
    picture: Image, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int], unit: float
) -> None:
    cv2.putText(picture, text, (x, y), FONT, scale, colour, max(1, round(unit)), cv2.LINE_AA)


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
