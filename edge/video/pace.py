"""How much is done for a frame of a video: when it is searched for faces, and which of them are read anew.

Intervals are in seconds, so that what is missed does not depend on the frame rate. They were chosen with
``python -m benchmarks.pace`` (docs/how-we-measure.md, "What doing less loses").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.results import Box
from edge.track import Track
from edge.video.flow import Look
from edge.video.portrait import Picture
from edge.video.scene import Scene

BUSY, QUIET = 0.1, 0.4  # between two searches where something came into the picture, and where nothing did
PACE = 0.5  # the oldest reading of a face that looks as it did then
CHANGED = 0.6  # of a face read with all weight on one expression; less, the less sure the reading was
LEAST_CHANGED = 0.3
MOST_STRETCH = 3.0  # of the intervals between searches, when a camera's frames cannot be kept up with
LOAD_OVER = 1.0  # seconds over which it is told how fast they come
SLACK = 0.005  # frames do not come at quite the moment that they are due


class Searches:
    """Says when a video is to be searched: soon where something new is seen, else now and then.

    ``every`` N searches every Nth frame whatever is seen; 0 goes by what is seen.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.stretch = 1.0
        self.restart()

    def restart(self) -> None:
        """Another video begins."""
        self._scene: Scene | None = None
        self._frames, self._last, self._checked, self._again = 0, -math.inf, -math.inf, True

    def due(self, time: float) -> bool:
        """Whether this frame, at ``time`` in seconds, is to be searched whatever it shows."""
        self._frames += 1
        if self._again:
            return True
        if self.every:
            return self._frames >= self.every
        # A clock that was set back must not keep the search waiting.
        return not 0 <= time - self._last < QUIET * self.stretch - SLACK

    def news(self, look: Look, boxes: Sequence[Box], time: float) -> bool:
        """Whether this frame is to be searched for what it shows; the known faces are at ``boxes``."""
        if self._scene is None or time - max(self._last, self._checked) < BUSY * self.stretch - SLACK:
            return False
        self._checked = time
        return self._scene.news(look, boxes)

    def done(self, look: Look, boxes: Sequence[Box], time: float, again: bool) -> None:
        """This frame was searched; ``again``: do not trust what was found, and search the next one too."""
        self._scene = None if self.every else Scene(look, boxes)
        self._frames, self._last, self._again = 0, time, again


class Load:
    """How many times as fast as they are read a camera's frames come, over about the last second."""

    def __init__(self) -> None:
        self._behind, self._last = 1.0, -math.inf

    def after(self, missed: int, time: float) -> float:
        """That, with one more frame that was captured at ``time``, after ``missed`` that were not read."""
        share = 1 - math.exp(-max(0.0, time - self._last) / LOAD_OVER)
        self._last = time
        self._behind += share * (1 + missed - self._behind)
        return self._behind


class Turns:
    """Says which faces of a frame are read anew: new ones, changed ones, and in turns those read long ago.

    ``pace``: the oldest that a reading may be, in seconds; 0 reads every face in every frame.
    """

    def __init__(self, pace: float = PACE) -> None:
        self.pace = pace
        self._turn = -math.inf

    def restart(self) -> None:
        """Another video begins."""
        self._turn = -math.inf

    def due(self, tracks: Sequence[Track], pictures: Sequence[Picture], time: float) -> list[int]:
        """Indices of the faces to read in the frame at ``time`` in seconds, of one face or more."""
        due = [
            index
            for index, (track, picture) in enumerate(zip(tracks, pictures, strict=True))
            if self._must(track, picture, time)
        ]
        oldest = min(range(len(tracks)), key=lambda index: _moment(tracks[index]))
        # Faces that came together would grow old together: one at a time is read before it is too old.
        if oldest not in due and not 0 <= time - self._turn < self.pace / len(tracks) - SLACK:
            if time - _moment(tracks[oldest]) >= self.pace / 2:
                due = sorted([*due, oldest])
            self._turn = time
        return due

    def _must(self, track: Track, picture: Picture, time: float) -> bool:
        last = track.read
        if last is None or last.portrait is None or track.steady.unsure:
            return True
        if not 0 <= time - last.time < self.pace - SLACK:
            return True
        return last.portrait.change(picture) > last.bound


def bound_of(weights: Sequence[float]) -> float:
    """How much a face's looks may change until it is read anew, by how sure the reading was."""
    *_, second, first = sorted(weights)
    return max(LEAST_CHANGED, CHANGED * (first - second))


def _moment(track: Track) -> float:
    return -math.inf if track.read is None else track.read.time
