"""Readings of a video's frames, with what is heard beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge.errors import FerliteError, SourceError
from edge.results import FrameReadings, Reading, VoiceReading
from edge.voice.fuse import LONGEST_S, Fuser, Moment
from edge.voice.reader import VoiceReader
from edge.voice.sound import Samples, Sound

EVERY_S = 0.16  # the voice is read anew
NO_VOICE = "no voice"
NOTHING = VoiceReading({}, 0.0, -120.0)


class Listener:
    """Hears a sound beside the frames of one video or camera, and joins what both say of the one face in
    sight.

    Where there are several faces nobody knows whose voice it is: they are read as if there were none.
    ``complain`` hears, once, of a sound that ended. What was heard is forgotten with the next window.
    """

    def __init__(
        self,
        sound: Sound,
        reader: VoiceReader,
        complain: Callable[[FerliteError], None] = lambda error: None,
    ) -> None:
        self._sound, self._reader, self._complain = sound, reader, complain
        self._voice, self._read_at = NOTHING, -EVERY_S
        self._fusers: dict[int | None, tuple[float, Fuser]] = {}
        self._over = False

    def __call__(self, result: FrameReadings) -> FrameReadings:
        """The frame's readings, with its ``voice``, and the one face's joined with it or doubted for want
        of it.
        """
        now = result.time or 0.0
        voice = self._hear(now)
        self._fusers = {
            track: (seen, fuser)
            for track, (seen, fuser) in self._fusers.items()
            if 0 <= now - seen <= LONGEST_S
        }
        if len(result.readings) != 1:
            return replace(result, voice=voice)
        reading = result.readings[0]
        _, fuser = self._fusers.get(reading.track) or (now, Fuser(self._reader.bundle.reliability))
        self._fusers[reading.track] = now, fuser
        heard = voice if voice.presence > 0 else None
        weights = fuser(Moment(now, reading.weights, heard, bool(reading.doubts)))
        if heard is None or weights is None:
            doubted = replace(reading, doubts=(*reading.doubts, NO_VOICE))
            return replace(result, readings=(doubted,), voice=voice)
        return replace(result, readings=(_with(reading, weights),), voice=replace(voice, fused=True))

    def _hear(self, now: float) -> VoiceReading:
        if 0 <= now - self._read_at < EVERY_S:
            return self._voice
        samples = self._samples(now)
        self._read_at = now
        self._voice = NOTHING if samples is None else self._reader(samples)
        return self._voice

    def _samples(self, now: float) -> Samples | None:
        if self._over:
            return None
        try:
            return self._sound.last(now)
        except SourceError as error:
            self._over = True
            self._complain(error)
            return None


def _with(reading: Reading, weights: dict[str, float]) -> Reading:
    return replace(reading, weights=weights, expression=max(weights, key=weights.__getitem__))
