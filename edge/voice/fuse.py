"""A face and a voice to one reading: key moments of the last second, joined by how far each is believed.

Proportional decision fusion (Yu et al., ABAW 2025) makes p(c) proportional to the sum over face and voice m
of r_m(c) s_m p_m(c). r is how often m is right when it names c, s how far m is there, p its weights. Here
the shares are in the same proportion and the roots of p are summed: between the mean of both and their
product, which would take them for independent. With the plain sum a masked face spoilt a clear voice
(benchmarks/audio_visual). What a voice has no word for (surprise) it leaves to the face. Moments count
by exp(voice + change): those in which something is said, or in which the face changes, say more than the
silent ones between.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edge.results import VoiceReading

MOMENTS, APART_S = 6, 0.16  # key moments, and the seconds between two: about one second in all
LONGEST_S = 2.0  # a moment is forgotten
BY_VOICE, BY_CHANGE = 3.0, 2.0  # how much a voice, and a change of the face, make a moment count
DOUBTED = 0.5  # how far a doubted face is there
POWER = 0.5  # of weights that are joined; 1 is the plain sum. Chosen on FER2013's public split

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Moment:
    """A face's weights at a ``time`` (None: no face), and what was heard then."""

    time: float
    face: Weights | None
    voice: VoiceReading | None
    doubted: bool = False


class Fuser:
    """Keeps the moments of one face. ``reliability``: see ``Bundle``; ``key_moments`` off takes all alike."""

    def __init__(
        self, reliability: Mapping[str, Weights], key_moments: bool = True, power: float = POWER
    ) -> None:
        self._reliability, self._key, self._power = reliability, key_moments, power
        self._moments: deque[Moment] = deque(maxlen=MOMENTS)

    def __call__(self, moment: Moment) -> dict[str, float] | None:
        """The fused weights, summing to 1; None where there is neither a face nor a voice."""
        self._keep(moment)
        moments = [each for each in self._moments if moment.time - each.time <= LONGEST_S]
        counts = self._counts(moments)
        faces = [(count, each) for count, each in zip(counts, moments, strict=True) if each.face]
        voices = [
            (count, each.voice)
            for count, each in zip(counts, moments, strict=True)
            if each.voice and each.voice.presence > 0
        ]
        face = _mean([(count, each.face) for count, each in faces if each.face])
        heard = [(count * voice.presence, voice.weights) for count, voice in voices]
        there = sum(count * voice.presence for count, voice in voices) / sum(counts)
        seen = sum(count * (DOUBTED if each.doubted else 1.0) for count, each in faces) / sum(counts)
        return fused(face, seen, _mean(heard), there, self._reliability, self._power)

    def _keep(self, moment: Moment) -> None:
        """The newest moment always counts; it takes the place of the last one where that is too near."""
        if len(self._moments) > 1 and moment.time - self._moments[-2].time < APART_S:
            self._moments.pop()
        self._moments.append(moment)

    def _counts(self, moments: list[Moment]) -> list[float]:
        if not self._key:
            return [1.0] * len(moments)
        before = [moments[0], *moments[:-1]]
        return [
            math.exp(
                BY_VOICE * (each.voice.presence if each.voice else 0.0)
                + BY_CHANGE * _apart(each.face, last.face)
            )
            for each, last in zip(moments, before, strict=True)
        ]


def fused(
    face: Weights | None,
    seen: float,
    voice: Weights | None,
    heard: float,
    reliability: Mapping[str, Weights],
    power: float = POWER,
) -> dict[str, float] | None:
    """The weights of both; ``seen`` and ``heard``, 0-1, are how far each is there."""
    if not voice or heard <= 0:
        return dict(face) if face else None
    if not face or seen <= 0:
        return dict(voice)
    # What the voice has no word for is as likely to it as to the face.
    left = 1 - sum(weight for label, weight in face.items() if label not in voice)
    joined = {}
    for label, weight in face.items():
        said = voice[label] * left if label in voice else weight
        by_face = reliability["face"].get(label, 1.0) * seen
        by_voice = reliability["voice"].get(label, reliability["face"].get(label, 1.0)) * heard
        both = by_face + by_voice
        if both > 0:
            joined[label] = ((by_face * weight**power + by_voice * said**power) / both) ** (1 / power)
        else:  # a label in which neither was ever right
            joined[label] = (weight + said) / 2
    total = sum(joined.values())
    return {label: value / total for label, value in joined.items()}


def _mean(rows: list[tuple[float, Weights]]) -> Weights | None:
    total = sum(count for count, _ in rows)
    if not total:
        return None
    return {label: sum(count * row[label] for count, row in rows) / total for label in rows[0][1]}


def _apart(one: Weights | None, other: Weights | None) -> float:
    """The weight, of 1, that differs."""
    if not one or not other:
        return 0.0
    return sum(abs(weight - other[label]) for label, weight in one.items()) / 2
