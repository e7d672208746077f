"""Things drawn over a face, and exactly what they cover: for networks that must know what they do not see.

Every occluder is a shape laid by the face's 68 landmarks, a texture, and a soft edge. A landmark is covered
where the shape is at least half opaque; a clear lens covers nothing, its frame does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
# Landmarks of the six regions: brows, eyes, nose, mouth; the person's right is the smaller x.
REGIONS: Mapping[str, tuple[int, ...]] = {
    "right brow": tuple(range(17, 22)),
    "left brow": tuple(range(22, 27)),
    "right eye": tuple(range(36, 42)),
    "left eye": tuple(range(42, 48)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 68)),
}


@dataclass(frozen=True)
class Worn:
    """``picture`` uint8 [H, W] with the occluder on it, ``opaque`` float32 [H, W] 0-1: how much it covers;
    ``texture`` uint8 [H, W]: the occluder as it would look were it everywhere.
    """

    picture: Grey
    opaque: npt.NDArray[np.float32]
    texture: Grey

    def covers(self, landmarks: Floats) -> Bools:
        """Whether each landmark [68, 2], in pixels, lies under the occluder, bool [68]; beside the picture:
        no."""
        x, y = np.rint(landmarks[:, 0]).astype(int), np.rint(landmarks[:, 1]).astype(int)
        height, width = self.opaque.shape
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        under = self.opaque[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] >= 0.5
        return np.asarray(inside & under, np.bool_)


def region_visibility(visible: Bools) -> npt.NDArray[np.float32]:
    """The visible share of each of REGIONS' landmarks, float32 [..., 6], of ``visible`` bool [..., 68]."""
    return np.stack([visible[..., list(part)].mean(-1) for part in REGIONS.values()], -1).astype(np.float32)


def wear(
    picture: Grey, landmarks: Floats, kind: str, rng: np.random.Generator, other: Grey | None = None
) -> Worn:
    """``picture`` uint8 [H, W] with an occluder of ``kind`` (see KINDS) on the face of ``landmarks`` [68, 2].

    ``other`` uint8 of any size: the photograph that a "patch" is taken from, required by it alone. Raises
    DataInvalid for an unknown kind and a patch of nothing.
    """
    if kind not in KINDS:
        raise DataInvalid(f"unknown occluder '{kind}': choose {', '.join(KINDS)}")
    if kind == "patch":
        if other is None:
            raise DataInvalid("an occluder 'patch' needs another photograph to be taken from")
        texture = _taken_from(other, picture.shape, rng)
    else:
        texture = TEXTURES[kind](picture, landmarks, rng)
    span = eye_distance(landmarks)
    # Drawn four times as fine: at 48 pixels a frame of glasses is thinner than one.
    fine = np.zeros((4 * picture.shape[0], 4 * picture.shape[1]), np.float32)
    KINDS[kind](fine, (landmarks + 0.5) * 4 - 0.5, 4 * span, rng)
    opaque = cv2.resize(fine, picture.shape[::-1], interpolation=cv2.INTER_AREA)
    return laid_over(
        picture, np.asarray(opaque, np.float32), np.clip(np.rint(texture), 0, 255).astype(np.uint8)
    )


def laid_over(picture: Grey, opaque: npt.NDArray[np.float32], texture: Grey) -> Worn:
    """``picture`` under ``texture``, uint8 [H, W] each, as far as that is ``opaque`` float32 [H, W], 0-1."""
    mixed = picture + (texture.astype(np.float32) - picture) * opaque
    return Worn(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), opaque, texture)


def eye_distance(landmarks: Floats) -> float:
    """Pixels between the eyes' outer corners, or what they would be: at least a third of brow to chin."""
    across = float(np.linalg.norm(landmarks[36] - landmarks[45]))
    return max(across, float(np.linalg.norm(landmarks[27] - landmarks[8])) / 1.5, 2.0)


def _mask(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """A surgical mask: along the jaw, over the mouth, its upper edge somewhere on the nose."""
    top = marks[int(rng.integers(28, 31))] + (0, rng.uniform(-0.05, 0.05) * span)
    right, left = marks[1 + int(rng.integers(0, 2))], marks[15 - int(rng.integers(0, 2))]
    jaw = marks[2:15] + (marks[2:15] - marks[30]) * rng.uniform(0.0, 0.12)
    _fill(fine, np.concatenate([[top], [(top + left) / 2 + (0, 0.04 * span), left], jaw[::-1], [right]]))
    for end, ear in ((right, marks[0]), (left, marks[16])):
        _stroke(fine, np.stack([end, ear]), 0.04 * span)


def _glasses(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """Two lenses, dark in half of the cases, with frame and bridge."""
    dark, round_ = rng.random() < 0.5, rng.random() < 0.4
    across = marks[45] - marks[36]
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    wide, high = rng.uniform(0.27, 0.34), rng.uniform(0.17, 0.28)
    thick = rng.uniform(0.03, 0.07) * span
    middles = []
    for eye in (marks[36:42], marks[42:48]):
        # A turned head's far lens is as narrow as its eye.
        own = max(0.35, float(np.linalg.norm(eye[3] - eye[0])) / (0.31 * span))
        middle, half = eye.mean(0) + np.array([0, 0.02 * span]), np.array([wide * min(1, own), high]) * span
        middles.append(middle)
        corners = (
            np.array(cv2.ellipse2Poly((0, 0), (100, 100), 0, 0, 360, 12)) / 100
            if round_
            else np.array([[-1, -0.9], [1, -0.9], [0.85, 0.8], [-0.85, 0.8]])
        ) * half
        turn = cv2.getRotationMatrix2D((0, 0), -angle, 1)[:, :2]
        outline = middle + corners @ turn.T
        if dark:
            _fill(fine, outline)
        _stroke(fine, np.concatenate([outline, outline[:1]]), thick)
    _stroke(fine, np.stack(middles) * [[0.62], [0.38]] + np.stack(middles)[::-1] * [[0.38], [0.62]], thick)
    for side, ear, middle in ((-1, 0, middles[0]), (1, 16, middles[1])):
        edge = middle + side * across / span * wide * span * 0.9
        _stroke(fine, np.stack([edge, marks[ear] + (0, -0.1 * span)]), 0.7 * thick)


def _hand(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """A hand from below or from a side: a palm, and four fingers that lie on mouth, cheek or eye."""
    aim = marks[[51, 57, 31, 35, 4, 12, 41, 46][int(rng.integers(0, 8))]]
    aim = aim + rng.normal(0, 0.1, 2) * span
    along = np.radians(rng.uniform(-150, -30))
    ahead, beside = np.array([np.cos(along), np.sin(along)]), np.array([-np.sin(along), np.cos(along)])
    wide = rng.uniform(0.15, 0.19) * span
    palm = aim - ahead * rng.uniform(0.7, 1.0) * span
    _fill(
        fine,
        np.stack(
            [
                palm + s * beside * 2.3 * wide + a * ahead * 2.2 * wide - ahead * wide
                for s, a in ((-1, -3.0), (1, -3.0), (1, 1.2), (-1, 1.2))
            ]
        ),
    )
    for finger, length in zip((-1.6, -0.55, 0.55, 1.6), (0.85, 1.05, 1.0, 0.75), strict=True):
        base = palm + beside * finger * wide + ahead * 0.9 * wide
        spread = ahead + beside * finger * rng.uniform(0.02, 0.12)
        _stroke(fine, np.stack([base, base + spread * length * rng.uniform(0.8, 1.1) * span]), wide)


def _scarf(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """Cloth wound about chin and mouth, past the face on both sides, its edge in waves."""
    height = marks[[33, 51, 62, 57][int(rng.integers(0, 4))]]
    across = (marks[45] - marks[36]) / max(1.0, float(np.linalg.norm(marks[45] - marks[36])))
    down = np.array([-across[1], across[0]])
    along = np.linspace(-1.6, 1.6, 17)
    waves = 0.06 * np.sin(along * rng.uniform(2, 5) + rng.uniform(0, 6)) - rng.uniform(0, 0.12) * along**2
    edge = height + (along[:, None] * across + waves[:, None] * down) * span
    _fill(fine, np.concatenate([edge, edge[::-1] + down * 3 * span]))


def _hair(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """A fringe, or hair that falls over one side: many strands from above the brows."""
    side = rng.choice((-1, 0, 1))
    top = marks[27] - (marks[8] - marks[27]) * 0.75
    across = (marks[45] - marks[36]) / span
    down = (marks[8] - marks[27]) / max(1.0, float(np.linalg.norm(marks[8] - marks[27])))
    reach = rng.uniform(0.75, 1.25) if side == 0 else rng.uniform(1.0, 2.2)
    for _ in range(int(rng.integers(40, 90))):
        place = rng.uniform(-0.9, 0.9) if side == 0 else side * rng.uniform(0.25, 0.95)
        start = top + across * place * span * 0.8
        length = reach * rng.uniform(0.75, 1.1) * span
        bend = rng.normal(0.15 * side, 0.08)
        steps = np.linspace(0, 1, 7)[:, None]
        strand = start + down * steps * length + across * (place * 0.15 + bend) * steps**2 * span
        _stroke(fine, strand, rng.uniform(0.03, 0.09) * span)


def _thing(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """Something before the face: a cup, a telephone, a microphone on its stand; up to three rounded parts."""
    middle = marks[int(rng.integers(0, 68))] + rng.normal(0, 0.15, 2) * span
    for _ in range(int(rng.integers(1, 4))):
        half = rng.uniform(0.12, 0.6, 2) * span
        angle = float(rng.uniform(0, 360))
        shape = rng.random()
        if shape < 0.4:
            cv2.ellipse(
                fine, _place(middle), (int(max(1, half[0])), int(max(1, half[1]))), angle, 0, 360, 1.0, -1
            )
        elif shape < 0.75:
            _fill(fine, np.asarray(cv2.boxPoints((middle.tolist(), (2 * half).tolist(), angle)), np.float32))
        else:
            away = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.5, 2.5) * span
            _stroke(fine, np.stack([middle, middle + away]), rng.uniform(0.06, 0.4) * span)
        middle = middle + rng.normal(0, 0.35, 2) * span


def _blob(fine: Floats, marks: Floats, span: float, rng: np.random.Generator) -> None:
    """Something without a name: round lumps of any size, most often with one that comes in over an edge."""
    cells = int(rng.integers(3, 8))
    lumps = cv2.resize(
        rng.normal(0, 1, (cells, cells)).astype(np.float32), fine.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    rows, columns = np.mgrid[-1 : 1 : fine.shape[0] * 1j, -1 : 1 : fine.shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    lumps += rng.uniform(0, 2.5) * (np.cos(angle) * columns + np.sin(angle) * rows)
    fine[lumps > np.quantile(lumps[::8, ::8], rng.uniform(0.5, 0.93))] = 1.0


def _fill(fine: Floats, outline: Floats) -> None:
    cv2.fillPoly(fine, [np.rint(outline).astype(np.int32)], 1.0)


def _stroke(fine: Floats, points: Floats, width: float) -> None:
    cv2.polylines(fine, [np.rint(points).astype(np.int32)], False, 1.0, max(1, round(width)))


def _place(point: Floats) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _cloth(picture: Grey, landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Cloth or plastic: one tone, with folds, often stripes or a pattern."""
    height, width = picture.shape
    tone, depth = rng.uniform(10, 245), rng.uniform(0, 18)
    cells = int(rng.integers(2, 7))
    folds = cv2.resize(
        rng.normal(0, 1, (cells, cells)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    texture = tone + depth * folds
    if rng.random() < 0.35:
        rows, columns = np.mgrid[:height, :width]
        angle, period = rng.uniform(0, np.pi), rng.uniform(0.06, 0.3) * width
        wave = np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 2 * np.pi / period)
        texture = texture + rng.uniform(10, 50) * (np.sign(wave) if rng.random() < 0.5 else wave)
    return np.asarray(np.clip(texture + rng.normal(0, rng.uniform(0, 4), texture.shape), 0, 255))


def _stuff(picture: Grey, landmarks: Floats, rng: np.random.Generator) -> Floats:
    """What a thing can be of: cloth or plastic, skin, hair, dark glass."""
    kinds = (_cloth, _skin, _strands, _dark)
    return kinds[int(rng.integers(0, len(kinds)))](picture, landmarks, rng)


def _dark(picture: Grey, landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Dark glass that mirrors a little of the light; its frame is of the same tone."""
    rows = np.linspace(-1, 1, picture.shape[0])[:, None]
    return np.broadcast_to(rng.uniform(5, 70) + rng.uniform(-25, 25) * rows, picture.shape).clip(0, 255)


def _skin(picture: Grey, landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Skin of the face's own tone, with a hand's lines and shades."""
    height, width = picture.shape
    x, y = (int(np.clip(v, 0, n - 1)) for v, n in zip(landmarks[30], (width, height), strict=True))
    about = picture[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
    shade = cv2.resize(rng.normal(0, 1, (9, 9)).astype(np.float32), (width, height))
    return np.asarray(np.clip(float(about.mean()) * rng.uniform(0.8, 1.1) + 12 * shade, 0, 255))


def _strands(picture: Grey, landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Hair, from black to grey, brighter here and there along the strands."""
    height, width = picture.shape
    shine = cv2.resize(rng.normal(0, 1, (4, 28)).astype(np.float32), (width, height))
    return np.asarray(np.clip(rng.uniform(12, 150) + rng.uniform(4, 22) * shine, 0, 255))


def _taken_from(other: Grey, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Another photograph, enlarged and shifted, uint8 of ``shape`` as floats."""
    height, width = shape[0], shape[1]
    scale = rng.uniform(1.0, 1.8)
    large = cv2.resize(other, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
    top, left = (
        int(rng.integers(0, each)) for each in (large.shape[0] - height + 1, large.shape[1] - width + 1)
    )
    return large[top : top + height, left : left + width].astype(np.float32)


KINDS: Mapping[str, Callable[[Floats, Floats, float, np.random.Generator], None]] = {
    "mask": _mask,
    "glasses": _glasses,
    "hand": _hand,
    "scarf": _scarf,
    "hair": _hair,
    "thing": _thing,
    "patch": _thing,
    "blob": _blob,
}
TEXTURES: Mapping[str, Callable[[Grey, Floats, np.random.Generator], Floats]] = {
    "mask": _cloth,
    "glasses": _dark,
    "hand": _skin,
    "scarf": _cloth,
    "hair": _strands,
    "thing": _stuff,
    "blob": _stuff,
}
