"""The last seconds of each face's motion along the foot of a video's frame, with what was spotted."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from edge.align import Image
from edge.results import FrameReadings, Moment
from edge.sinks.overlay import DARK, DIM, FONT, GREY, SURE, UNSURE, WHITE

SECONDS = 5.0  # that the strip shows
HIGHEST = 40.0  # times what a face strays, at the strip's top
MOST = 3  # faces that have a line each


def colour_of(moment: Moment) -> tuple[int, int, int]:
    """BGR: grey for a long movement, orange for a doubted one, else green."""
    return DIM if moment.kind != "micro" else UNSURE if moment.doubts else SURE


def label_of(moment: Moment) -> str:
    """What is written beside a movement: its expression and its tone, or where it was if it has neither."""
    told = [moment.expression, moment.tone and f"tone {moment.tone}"]
    return ", ".join(filter(None, told)) or moment.regions[0]


class Strip:
    """Keeps what the last frames told, and draws it. ``take`` each frame once, in order."""

    def __init__(self) -> None:
        self._motion: deque[tuple[float, int, float]] = deque()
        self._moments: deque[Moment] = deque()
        self._source = ""

    def take(self, result: FrameReadings) -> None:
        """One frame of a run with --moments; others change nothing."""
        if result.moments is None or result.time is None:
            return
        if result.source != self._source:
            self._motion.clear()
            self._moments.clear()
            self._source = result.source
        for reading, height in zip(result.readings, result.motion, strict=True):
            if height is not None:
                self._motion.append((result.time, reading.track or 0, height))
        self._moments.extend(result.moments)
        since = result.time - SECONDS
        while self._motion and self._motion[0][0] < since:
            self._motion.popleft()
        while self._moments and self._moments[0].offset < since:
            self._moments.popleft()

    def draw(self, picture: Image, now: float) -> None:
        """Paint the strip into a uint8 [H, W, 3] BGR picture, a line for each of the faces seen lately."""
        tracks = list(dict.fromkeys(track for _, track, _ in reversed(self._motion)))[:MOST]
        unit = max(1.0, min(picture.shape[:2]) / 480)
        high = round(36 * unit)
        for row, track in enumerate(sorted(tracks)):
            top = picture.shape[0] - high * (len(tracks) - row)
            if top >= 0:
                self._line(picture, track, top, high, now, unit)

    def _line(self, picture: Image, track: int, top: int, high: int, now: float, unit: float) -> None:
        wide = picture.shape[1]
        part = picture[top : top + high]
        part[:] = (part * 0.25 + np.array(DARK) * 0.75).astype(np.uint8)

        def across(time: float) -> int:
            return int(wide * (1 - (now - time) / SECONDS))

        foot, scale = top + high - round(3 * unit), 0.35 * unit
        room = high - round(14 * unit)
        free = round(24 * unit)
        for moment in (each for each in self._moments if (each.track or 0) == track):
            left, right = across(moment.onset), max(across(moment.onset) + 1, across(moment.offset))
            cv2.rectangle(picture, (left, foot - room), (right, foot), colour_of(moment), -1)
            start = max(left, free)
            if start < wide:
                at = (start, top + round(10 * unit))
                cv2.putText(picture, label_of(moment), at, FONT, scale, colour_of(moment), 1, cv2.LINE_AA)
                free = start + int(cv2.getTextSize(label_of(moment), FONT, scale, 1)[0][0]) + round(6 * unit)
        points = [
            (across(time), foot - round(room * min(1.0, height / HIGHEST)))
            for time, other, height in self._motion
            if other == track
        ]
        if len(points) > 1:
            cv2.polylines(picture, [np.array(points, np.int32)], False, WHITE, 1, cv2.LINE_AA)
        at = (round(3 * unit), top + round(10 * unit))
        cv2.putText(picture, f"#{track}", at, FONT, scale, GREY, 1, cv2.LINE_AA)
