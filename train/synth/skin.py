"""What is painted on a head: brows, lips, hair, and the creases that a moving face throws.

Painted once on the family's mean head as seen from the front, and looked up by where a pixel lies on that
head: so paint stays where it is on the face, whoever it is and however it moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from train.synth.mesh import EYE, IRIS, MOUTH, TEETH, Head, Points

Map = npt.NDArray[np.float32]
# The painted square of the mean head, in centimetres, and its pixels for each.
LEFT, TOP, SIDE, SCALE = -11.0, 14.0, 28.0, 16
PIXELS = int(SIDE * SCALE)
BROWS = (tuple(range(17, 22)), tuple(range(22, 27)))
UPPER_LIDS = (tuple(range(36, 40)), tuple(range(42, 46)))
OUTER_LIP, INNER_LIP = tuple(range(48, 60)), tuple(range(60, 68))


@dataclass(frozen=True)
class Complexion:
    """How a person's head reflects light, 0-1: skin, what lips, brows and hair take of it, iris, beard.

    ``creases``: how deep a moving face's are.
    """

    skin: float
    lips: float
    brows: float
    brow_width: float
    hair: float
    hairline: float
    iris: float
    beard: float
    creases: float = 1.0


def draw_complexion(rng: np.random.Generator) -> Complexion:
    """One of many: skin from dark to light, hair from black to grey."""
    hair = float(rng.uniform(0.3, 0.95))
    return Complexion(
        skin=float(rng.uniform(0.2, 0.65)),
        lips=float(rng.uniform(0.1, 0.4)),
        brows=float(np.clip(hair + rng.uniform(-0.1, 0.2), 0.4, 0.92)),
        brow_width=float(rng.uniform(0.22, 0.5)),
        hair=hair,
        hairline=float(rng.uniform(8.0, 10.5)),
        iris=float(rng.uniform(0.02, 0.2)),
        beard=float(max(0.0, rng.uniform(-0.6, 0.45))),
    )


def newborn(who: Complexion) -> Complexion:
    """The same head with a newborn's faint brows, little hair, no beard and shallow creases."""
    return replace(who, brows=0.3 * who.brows, hair=0.5 * who.hair, beard=0.0, creases=0.35)


LINES, CREASED = 0.8, 0.6  # of the light that a line swallows, and a full crease
# Creases, each the unit that throws it and lines in centimetres of the mean head; drawn for the person's left
# and mirrored. Where they run: the wrinkles that FACS names as signs of actions 1 + 2, 4, 9, 12 and 6.
CREASES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    # The last: the shadow that a lowered brow throws on the lid.
    "browDown": (((0.55, 5.2), (0.5, 6.2), (0.65, 7.0)), ((0.8, 4.5), (1.5, 4.8), (2.4, 5.0), (3.4, 5.2))),
    "browInnerUp": (((0.0, 7.6), (1.6, 7.5), (2.8, 7.3)), ((0.0, 8.4), (1.8, 8.35), (3.0, 8.2))),
    "browOuterUp": (((1.5, 7.9), (3.2, 7.8), (4.6, 7.2)), ((1.5, 8.8), (3.2, 8.7), (4.6, 8.1))),
    "noseSneer": (((0.3, 3.6), (1.0, 3.0)), ((0.2, 3.0), (0.9, 2.3)), ((1.6, 0.4), (2.3, -0.8), (2.7, -1.8))),
    "mouthSmile": (((1.9, 0.0), (2.7, -1.2), (3.3, -2.8), (3.3, -3.9)),),
    "mouthUpperUp": (((1.7, 0.3), (2.4, -0.8), (2.9, -2.0)),),
    "mouthFrown": (((2.8, -3.9), (3.2, -4.7), (3.3, -5.4)),),
    "cheekSquint": (((4.9, 3.6), (5.7, 4.0)), ((4.9, 3.2), (5.8, 3.2)), ((1.9, 2.5), (3.2, 2.0), (4.2, 2.3))),
}


@dataclass(frozen=True)
class Paint:
    """Maps of a family's mean head, float32 [PIXELS, PIXELS] 0-1; ``creases`` by unit and side.

    ``lines`` are what is dark on any face in any light: lashes, the line between the lips, nostrils.
    """

    brows: Map
    lips: Map
    lines: Map
    beard: Map
    grain: Map
    creases: Mapping[str, Map]


def paint(head: Head) -> Paint:
    """The maps of the family that ``head`` belongs to."""
    marks = head.rest[head.landmarks][:, :2]
    brows = _blank()
    for brow in BROWS:
        _line(brows, marks[list(brow)] - (0, 0.15), 0.65)
    lips = _blank()
    cv2.fillPoly(lips, [_places(marks[list(OUTER_LIP)])], 1.0, cv2.LINE_AA)
    lines = _blank()
    for lid in UPPER_LIDS:
        _line(lines, marks[list(lid)] + (0, 0.06), 0.16)
    _line(lines, marks[list(INNER_LIP[:5])], 0.13)
    for nostril in (32, 34):
        _line(lines, marks[[nostril, nostril]] + [(-0.22, 0.12), (0.22, 0.12)], 0.22)
    beard = _blank()
    half = [(6.2, 0.0), (3.6, -1.6), (1.4, -1.4)]
    jaw = [(-6.2, 0.0), (-5.0, -6.5), (0.0, -8.2), (5.0, -6.5), *half, *((-x, y) for x, y in half[:0:-1])]
    cv2.fillPoly(beard, [_places(np.array(jaw))], 1.0, cv2.LINE_AA)
    beard *= 1 - lips
    rng = np.random.default_rng(9)
    grain = sum(
        cv2.resize(
            rng.normal(0, 1, (n, n)).astype(np.float32), (PIXELS, PIXELS), interpolation=cv2.INTER_CUBIC
        )
        for n in (12, 40, 160)
    )
    creases = {}
    for unit, strokes in CREASES.items():
        for name, mirror in ((f"{unit}_L", 1.0), (f"{unit}_R", -1.0)):
            drawn = _blank()
            for line in strokes:
                _line(drawn, np.array([(mirror * x, y) for x, y in line]), 0.22)
            creases[name] = _soft(drawn, 0.1)
    return Paint(
        _soft(brows, 0.12),
        _soft(lips, 0.08),
        _soft(lines, 0.05),
        _soft(beard, 0.6),
        np.asarray(grain, np.float32),
        creases,
    )


def reflectance(
    where: Points,
    tissue: npt.NDArray[np.uint8],
    painted: Paint,
    who: Complexion,
    weights: Mapping[str, float],
) -> Map:
    """How much light each pixel gives back, float32 [H, W] 0-1.

    ``where`` float32 [H, W, 3]: its place on the mean head; ``tissue`` uint8 [H, W]; ``weights`` by unit.
    """
    x = (where[..., 0] - LEFT) * SCALE
    y = (TOP - where[..., 1]) * SCALE

    def looked_up(texture: Map) -> Map:
        return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderValue=0), np.float32)

    light = who.skin * (1 + 0.04 * looked_up(painted.grain))
    front = (where[..., 2] > 2).astype(np.float32)
    light *= 1 - who.lips * looked_up(painted.lips) * front
    light *= 1 - who.beard * looked_up(painted.beard) * front
    light *= 1 - LINES * looked_up(painted.lines) * front
    brows = np.clip(looked_up(painted.brows) * (0.6 + who.brow_width), 0, 1)
    light *= 1 - who.brows * brows * front
    for unit, weight in weights.items():
        if unit in painted.creases and weight > 0.05:
            light *= 1 - CREASED * who.creases * min(weight, 1.3) * looked_up(painted.creases[unit]) * front
    # The hairline: a curve that comes down at the temples.
    over = where[..., 1] - (who.hairline - 0.05 * where[..., 0] ** 2)
    behind = np.maximum(over, 2 - where[..., 2] - 0.3 * np.abs(where[..., 1] - 2))
    light *= 1 - who.hair * np.clip(behind, 0, 1)
    light = np.where(tissue == MOUTH, 0.07, light)
    light = np.where(tissue == TEETH, 0.72, light)
    light = np.where(tissue == EYE, 0.62, light)
    return np.asarray(np.where(tissue == IRIS, who.iris, light), np.float32)


def _blank() -> Map:
    return np.zeros((PIXELS, PIXELS), np.float32)


def _places(points: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    return np.rint(np.stack([(points[:, 0] - LEFT) * SCALE, (TOP - points[:, 1]) * SCALE], 1)).astype(
        np.int32
    )


def _line(texture: Map, points: npt.NDArray[np.floating], width: float) -> None:
    cv2.polylines(texture, [_places(points)], False, 1.0, max(1, round(width * SCALE)), cv2.LINE_AA)


def _soft(texture: Map, sigma: float) -> Map:
    return np.asarray(cv2.GaussianBlur(texture, (0, 0), sigma * SCALE), np.float32)
