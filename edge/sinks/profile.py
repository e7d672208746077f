"""Where the readings of a run become one person's profile, for --learn-profile."""

from __future__ import annotations

from pathlib import Path

from edge import profile
from edge.errors import SinkError, UsageError
from edge.profile import Learner
from edge.results import FrameReadings
from edge.source import Frame


class ProfileSink:
    """Takes readings, and writes the profile when it is closed. See ``edge.sink.Sink``."""

    def __init__(self, learner: Learner, place: Path) -> None:
        self._learner: Learner | None = learner
        self._place, self.name = place, str(place)

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame: learnt from, and not kept."""
        if self._learner is not None:
            self._learner.take(result.readings, result.time)

    def close(self) -> None:
        """Write the file. Raises SinkError where too little was learnt, and StorageFailed."""
        learner, self._learner = self._learner, None
        if learner is None:
            return
        try:
            learnt = learner.profile()
        except UsageError as error:
            raise SinkError(f"'{self._place}' was not written: {error}") from error
        profile.write(self._place, learnt)
