"""Photographs that move for a moment: what spotters of micro-expressions are tried on and taught with.

A calm photograph is bent as a mesh's actions would bend it, by ``warp``'s fields; beside the short movements
to be found it does what must not be taken for one: long expressions, blinks, talk, a head that drifts, noise,
mains light, landmarks that are found a little elsewhere. Nothing here is a film of a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import OTHER
from edge.results import Box, Face, Landmarks
from train.synth import actions
from train.synth.mesh import Head
from train.synth.motion import CLOSE, OPEN, Curve, Wander
from train.synth.warp import Field, action_points, field_of

Grey = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
SIDE, ROOM = 112, 16  # pixels of the photograph in its frame, and around it
# What short movements are made of, each about what one expression begins with.
SETS: tuple[tuple[int, ...], ...] = (
    (1, 2),
    (4,),
    (12,),
    (6, 12),
    (9,),
    (10,),
    (14,),
    (15,),
    (17,),
    (20,),
    (24,),
    (1, 4),
    (4, 7),
    (1, 2, 5),
    (25, 26),
)
SHORT, LONG = (0.08, 0.5), (0.8, 2.5)  # seconds from onset to offset
REACH, FAR = (0.02, 0.08), (0.06, 0.2)  # distances between the eyes that the farthest point goes
APART = 0.9  # seconds of quiet between two things that happen
MAINS = (100.0, 120.0)  # flickers a second
SEARCHED = 0.4  # seconds between two searches for the face


@dataclass(frozen=True)
class Happening:
    """A movement: ``kind`` is micro, macro, blink or talk; ``reach`` in distances between the eyes.

    ``actions``: of FACS, which it is made of; of micro and macro alone.
    """

    kind: str
    curve: Curve
    reach: float
    field: Field
    actions: tuple[int, ...] = ()

    @property
    def apex(self) -> float:
        """Seconds: the middle of the time at its strongest."""
        return self.curve.start + self.curve.rise + self.curve.hold / 2

    @property
    def expression(self) -> str:
        """The one expression that always has all of its actions, "" where there is none or are several."""
        whose = [
            name
            for name, each in actions.EXPRESSIONS.items()
            if self.actions and set(self.actions) <= set(each.always)
        ]
        return whose[0] if len(whose) == 1 else ""

    @property
    def tone(self) -> str:
        """That of its actions, one of TONES_AND_OTHER."""
        return actions.tone_of_actions(self.actions) or OTHER


@dataclass(frozen=True)
class Film:
    """One photograph that moves: ``picture`` uint8 [S, S], its five ``landmarks``, what happens in it.

    ``drift``: the head's shift right and down in pixels, turn in radians, zoom and narrowing over time.
    ``noise``: of the camera, grey levels; ``mains``: hertz of the light's flicker, and its share;
    ``jitter``: of what a search finds, in distances between the eyes (``eyes`` pixels).
    """

    person: int
    seconds: float
    picture: Grey
    landmarks: npt.NDArray[np.float64]
    happenings: Sequence[Happening]
    drift: tuple[Wander, ...]
    noise: float
    mains: tuple[float, float]
    jitter: float
    seed: int
    eyes: float

    def frames(self, rate: float) -> Iterator[tuple[float, Grey, Face]]:
        """Time, picture uint8 [S, S] and where a detector would see the face, ``rate`` times a second."""
        rng = np.random.default_rng([self.seed, round(rate)])
        side = self.picture.shape[0]
        grains = rng.normal(0, self.noise, (8, side, side)).astype(np.float32)
        off, searched = np.zeros((5, 2)), -1.0
        for index in range(round(self.seconds * rate)):
            time = index / rate
            seen = self._seen(time)
            # Eight sheets of noise, each shifted anew, are as good as one for each frame.
            grain = np.roll(grains[index % 8], tuple(rng.integers(0, side, 2)), (0, 1))
            picture = np.clip(seen + grain, 0, 255).astype(np.uint8)
            if time - searched >= SEARCHED:
                off, searched = rng.normal(0, self.jitter * self.eyes, (5, 2)), time
            yield time, picture, self._face(off, self._head(time))

    def still(self, time: float) -> tuple[Grey, Face]:
        """What a camera without noise, and a search without error, would see at ``time``."""
        picture = np.clip(self._seen(time), 0, 255).astype(np.uint8)
        return picture, self._face(np.zeros((5, 2)), self._head(time))

    def _head(self, time: float) -> tuple[float, float, float, float]:
        shift_x, shift_y, turn, zoom, _ = (wander.at(time) for wander in self.drift)
        return shift_x, shift_y, turn, zoom

    def _seen(self, time: float) -> npt.NDArray[np.float32]:
        """The picture float32 [S, S] at ``time``, in its light, without noise."""
        side = self.picture.shape[0]
        rows, columns = np.mgrid[:side, :side].astype(np.float32)
        moved = self._moved(time)
        # The head's own motion, about the middle: shift, turn, zoom and a narrowing as of a turned head.
        shift_x, shift_y, turn, zoom, narrow = (wander.at(time) for wander in self.drift)
        x, y = columns - side / 2 - shift_x, rows - side / 2 - shift_y
        c, s = np.cos(turn) / (1 + zoom), np.sin(turn) / (1 + zoom)
        u = ((c * x + s * y) * (1 + narrow) + side / 2).astype(np.float32)
        v = (c * y - s * x + side / 2).astype(np.float32)
        if moved is not None:
            flow = cv2.remap(moved, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            u, v = u - flow[..., 0], v - flow[..., 1]
        source = self.picture.astype(np.float32)
        seen = cv2.remap(source, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        light = 1 + self.mains[1] * np.sin(2 * np.pi * self.mains[0] * time)
        return np.asarray(seen * np.float32(light), np.float32)

    def _moved(self, time: float) -> Field | None:
        moved = None
        for each in self.happenings:
            strength = each.curve.at(time)
            if strength > 0:
                part = np.float32(strength) * each.field
                moved = part if moved is None else moved + part
        return moved

    def _face(self, off: npt.NDArray[np.float64], head: tuple[float, float, float, float]) -> Face:
        shift_x, shift_y, turn, zoom = head
        middle = self.picture.shape[0] / 2
        rest = (self.landmarks - middle) * (1 + zoom)
        c, s = np.cos(turn), np.sin(turn)
        spot = np.stack(
            [c * rest[:, 0] - s * rest[:, 1] + shift_x, s * rest[:, 0] + c * rest[:, 1] + shift_y], 1
        )
        spot = spot + middle + off
        x, y = (float(value) for value in spot.mean(0))
        side = 2.2 * self.eyes
        marks: Landmarks = tuple((float(a), float(b)) for a, b in spot)  # type: ignore[assignment]
        return Face(Box(x - side / 2, y - side / 2, side, side), 0.9, marks)


def five_of(landmarks: Points) -> npt.NDArray[np.float64]:
    """iBUG's 68 landmarks to the five that detectors give, float64 [5, 2]."""
    groups = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))
    return np.stack([landmarks[part].mean(0) for part in groups]).astype(np.float64)


def shoot(
    photo: Grey,
    landmarks: Points,
    head: Head,
    person: int,
    seconds: float,
    seed: int,
    *,
    micro: bool = True,
    disturbed: bool = True,
) -> Film:
    """A film of ``seconds`` of ``photo`` uint8 [S, S] with ``landmarks`` [68, 2] in its pixels.

    About a third of what happens is to be found where ``micro``, else nothing is; without ``disturbed`` only
    micro-movements and noise are there, for tests.
    """
    rng = np.random.default_rng([21, person, seed])
    scale = SIDE / photo.shape[0]
    large = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.asarray(cv2.copyMakeBorder(large, *(ROOM,) * 4, cv2.BORDER_REPLICATE), np.uint8)
    marks = (landmarks.astype(np.float64) + 0.5) * scale - 0.5 + ROOM
    five = five_of(marks.astype(np.float32))
    eyes = float(np.linalg.norm(five[0] - five[1]))
    happenings: list[Happening] = []
    kinds = ("micro", "macro", "blink", "talk", "blink") if disturbed else ("micro",)
    time = float(rng.uniform(1.2, 1.6))
    while True:
        kind = "micro" if micro and rng.random() < 0.5 else str(rng.choice(kinds[0 if micro else 1 :]))
        made = _happening(kind, time, marks, head, eyes, picture.shape[0], rng)
        end = max(each.curve.end for each in made)
        if end > seconds - 0.5:
            break
        happenings += made
        time = end + APART + float(rng.exponential(0.5))
    reach = float(rng.uniform(0.2, 1)) if disturbed else 0.0
    drift = tuple(_wander(rng, reach * much) for much in (0.06 * eyes, 0.06 * eyes, 0.04, 0.03, 0.02))
    return Film(
        person,
        seconds,
        picture,
        five,
        happenings,
        drift,
        float(rng.uniform(1.5, 4)),
        (float(rng.choice(MAINS)) * float(rng.uniform(0.98, 1.02)), float(rng.uniform(0, 0.02))),
        float(rng.uniform(0, 0.02)) if disturbed else 0.0,
        seed,
        eyes,
    )


def _wander(rng: np.random.Generator, most: float) -> Wander:
    share = rng.dirichlet((1.0, 1.0, 1.0)) * most
    hertz, phase = rng.uniform(0.05, 0.6, 3), rng.uniform(0, 2 * np.pi, 3)
    return Wander(*(tuple(each.tolist()) for each in (share, hertz, phase)))


def _happening(
    kind: str,
    start: float,
    marks: npt.NDArray[np.float64],
    head: Head,
    eyes: float,
    side: int,
    rng: np.random.Generator,
) -> list[Happening]:
    if kind == "blink":
        field_, _ = _field((43,), marks, head, eyes, side, rng)
        return [Happening(kind, Curve(start, CLOSE, 0.03, OPEN), 0.0, field_)]
    if kind == "talk":
        return _talk(start, marks, head, eyes, side, rng)
    short = kind == "micro"
    total = float(rng.uniform(*(SHORT if short else LONG)))
    chosen = SETS[rng.integers(len(SETS))]
    if not short:
        chosen = tuple({*chosen, *SETS[rng.integers(len(SETS))]})
    field_, most = _field(chosen, marks, head, eyes, side, rng)
    reach = float(rng.uniform(*(REACH if short else FAR)))
    rise, fall = float(rng.uniform(0.3, 0.5)) * total, float(rng.uniform(0.3, 0.5)) * total
    curve = Curve(start, rise, total - rise - fall, fall, reach / most)
    return [Happening(kind, curve, reach, field_, tuple(chosen))]


def _talk(
    start: float,
    marks: npt.NDArray[np.float64],
    head: Head,
    eyes: float,
    side: int,
    rng: np.random.Generator,
) -> list[Happening]:
    """A jaw that opens about five times a second for a second or two, each time otherwise."""
    made, time = [], start
    fields = [_field(each, marks, head, eyes, side, rng) for each in ((26,), (25,), (17, 20))]
    until = start + float(rng.uniform(1, 2.5))
    while time < until:
        field_, most = fields[rng.integers(len(fields))]
        rise, fall = rng.uniform(0.06, 0.14, 2)
        reach = float(rng.uniform(0.03, 0.12))
        made.append(
            Happening("talk", Curve(time, float(rise), 0.01, float(fall), reach / most), reach, field_)
        )
        time += float((rise + fall) * rng.uniform(0.7, 1.2))
    return made


def _field(
    chosen: Sequence[int],
    marks: npt.NDArray[np.float64],
    head: Head,
    eyes: float,
    side: int,
    rng: np.random.Generator,
) -> tuple[Field, float]:
    """The field of these actions at half strength, and how far its farthest landmark goes in ``eyes``."""
    lopsided = float(np.clip(rng.normal(0, 0.25), -0.8, 0.8))
    strength = 1.0 if tuple(chosen) == (43,) else 0.5
    units = actions.units_of(dict.fromkeys(chosen, strength), lopsided)
    moved = action_points(head, head.able(units), marks)
    far = float(np.linalg.norm(moved - marks, axis=1).max()) / eyes
    return field_of(marks, moved, side, side), max(far, 1e-3)
