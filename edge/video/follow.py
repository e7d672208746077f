"""Faces between searches: a video is searched now and then, and its faces are followed meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from edge.align import Image
from edge.results import Box, Face, Landmarks, Point
from edge.video.flow import Flow, Look, halvings_for, look
from edge.video.pace import Searches

# By what the video shows: benchmarks/records/pace.json, and docs/how-we-measure.md on it.
DETECT_EVERY = 0
SAME = 0.12  # sides of a face: so far from where it was followed to, what a search finds is jitter
FOUND = 0.5  # of the way to what was found
WIDEST = 160  # pixels of a frame without faces that are looked at
Search = Callable[[Image], Sequence[Face]]


class Follower:
    """Searches a video with ``detector`` when ``every`` says so, and follows its faces in between.

    ``every`` N: a new face is seen at most N - 1 frames late. 0: pace.py decides. Two things bring the
    next search forward: a followed face that the flow loses is searched for in the same frame, and one that a
    search does not find again in the frame after it. 1 searches every frame and follows nothing.
    ``joint`` hears "detect" and "follow" when they are done.
    """

    def __init__(
        self,
        detector: Search,
        every: int = DETECT_EVERY,
        joint: Callable[[str], None] = lambda stage: None,
    ) -> None:
        self._detector, self._joint = detector, joint
        self.searches = Searches(every)
        self._flow = Flow()
        self._faces: Sequence[Face] = ()
        self._halvings: int | None = None
        self.followed = False  # the last frame's faces are those of the one before, in the same order

    def __call__(self, frame: Image, time: float) -> tuple[Sequence[Face], Look | None]:
        """The faces of the video's next frame, uint8 [H, W, 3] BGR at ``time`` in seconds, in frame pixels,
        and the look at it in which they are large enough to be compared; None where there is no face.
        """
        if self.searches.every == 1:
            return self._search(frame, None, None, time)
        seen = self._look(frame)
        followed = self._flow.follow(seen, self._faces) if self._faces else []
        boxes = [] if followed is None else [face.box for face in followed]
        if followed is None or self.searches.due(time) or self.searches.news(seen, boxes, time):
            self._joint("follow")
            return self._search(frame, seen, followed, time)
        self._faces, self.followed = followed, True
        self._joint("follow")
        return followed, seen if followed else None

    def _search(
        self, frame: Image, seen: Look | None, followed: Sequence[Face] | None, time: float
    ) -> tuple[Sequence[Face], Look | None]:
        found = self._detector(frame)
        self._joint("detect")
        # Detectors miss a face now and then: that must not last until the next search.
        missed = len(found) < len(self._faces)
        if followed:
            found = [_settled(face, followed) for face in found]
        self._faces, self.followed = found, False
        self._halvings = halvings_for(found) if found else None
        if seen is None or (found and seen.halvings != self._halvings):
            seen = self._look(frame)
        if self.searches.every != 1:
            self._flow.remember(seen)
            self.searches.done(seen, [face.box for face in found], time, missed)
        self._joint("follow")
        return found, seen if found else None

    def _look(self, frame: Image) -> Look:
        if self._halvings is None:
            return look(frame, max(0, (max(frame.shape[:2]) // WIDEST).bit_length() - 1))
        return look(frame, self._halvings)

    def restart(self) -> None:
        """Another video begins."""
        self._faces, self._halvings = (), None
        self.searches.restart()


def _settled(face: Face, followed: Sequence[Face]) -> Face:
    """A face that was found, or half way to it from where it was followed to, if that is all but the same.

    Each search sets the landmarks a little elsewhere, which following does not: a face that stands still
    would be cut out otherwise after every search, and read otherwise.
    """
    twin = max(followed, key=lambda other: other.box.iou(face.box))
    marks, others = (_marks(each) for each in (face, twin))
    apart = sum(math.dist(*pair) for pair in zip(marks, others, strict=True)) / len(marks)
    if apart > SAME * math.sqrt(max(1.0, face.box.area)):
        return face
    points = [
        (u + FOUND * (x - u), v + FOUND * (y - v)) for (x, y), (u, v) in zip(marks, others, strict=True)
    ]
    (left, top), (right, bottom), *rest = points
    landmarks = None if face.landmarks is None else cast("Landmarks", tuple(rest))
    return Face(Box(left, top, right - left, bottom - top), face.score, landmarks)


def _marks(face: Face) -> list[Point]:
    """The box's corners and the landmarks."""
    box = face.box
    return [(box.x, box.y), (box.x + box.width, box.y + box.height), *(face.landmarks or ())]
