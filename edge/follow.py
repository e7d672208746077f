"""Faces between searches: a video is searched every so many frames, and its faces are followed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.align import Image
from edge.flow import Flow
from edge.results import Face

# Chosen by measurement: benchmarks/records/detection.json, and docs/how-we-measure.md on it.
DETECT_EVERY = 3


Search = Callable[[Image], Sequence[Face]]


class Follower:
    """Searches every ``every``-th frame of a video with ``detector``, and follows its faces in between.

    A new face is seen at most ``every`` - 1 frames late. Two things bring the next search forward: a followed
    face that the flow loses is searched for in the same frame, and one that a search does not find again in
    the frame after it. 1 searches every frame and follows nothing.
    """

    def __init__(
        self,
        detector: Search,
        every: int = DETECT_EVERY,
        joint: Callable[[str], None] = lambda stage: None,
    ) -> None:
        self._detector, self._every, self._joint = detector, every, joint
        self._flow = Flow()
        self._faces: Sequence[Face] = ()
        self._wait = 0  # frames until the next search

    def __call__(self, frame: Image) -> Sequence[Face]:
        """The faces of the video's next frame, uint8 [H, W, 3] BGR, in frame pixels."""
        if self._every == 1:
            found = self._detector(frame)
            self._joint("detect")
            return found
        if self._wait > 0:
            followed = self._flow.follow(frame, self._faces) if self._faces else []
            self._joint("follow")
            if followed is not None:
                self._wait -= 1
                self._faces = followed
                return followed
        return self._search(frame)

    def _search(self, frame: Image) -> Sequence[Face]:
        found = self._detector(frame)
        self._joint("detect")
        # Detectors miss a face now and then: that must not last until the next search.
        missed = len(found) < len(self._faces)
        self._wait = 0 if missed else self._every - 1
        self._faces = found
        if found:
            self._flow.remember(frame, found)
            self._joint("follow")
        return found

    def restart(self) -> None:
        """Another video begins."""
        self._faces, self._wait = (), 0
