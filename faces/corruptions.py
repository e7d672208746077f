"""Faces made worse in ten ways at three strengths.

In the manner of ImageNet-C (Hendrycks and Dietterich, ICLR 2019).
The ways are those in which a small camera fails: light, blur, noise, compression, distance, a tilted head,
and what people wear. Where eyes and mouth are is known from the crop rule that was measured on the faces.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import CropRule

Face = npt.NDArray[np.uint8]
STRENGTHS = 3
SEED = 1


def corrupt(faces: Face, kind: str, strength: int, rule: CropRule) -> Face:
    """Uint8 faces [N, H, W] corrupted by ``kind`` of KINDS at ``strength`` 0-2; always the same way."""
    change = KINDS[kind]
    rng = np.random.default_rng([SEED, list(KINDS).index(kind), strength])
    return np.stack([change(face, strength, rng, rule) for face in faces])


def _limited(face: npt.NDArray[np.floating]) -> Face:
    return np.asarray(np.clip(np.rint(face), 0, 255), np.uint8)


def _dark(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    """Light lost, and the sensor's noise with it more visible."""
    return _limited(face * (0.5, 0.3, 0.15)[strength] + rng.normal(0, 3, face.shape))


def _bright(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    return _limited(face * (1.4, 1.8, 2.4)[strength])


def _contrast(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    mean = face.mean()
    return _limited((face - mean) * (0.5, 0.3, 0.15)[strength] + mean)


def _blur(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    sigma = (0.015, 0.03, 0.05)[strength] * len(face)
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _noise(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    return _limited(face + rng.normal(0, (10, 20, 35)[strength], face.shape))


def _jpeg(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    done, coded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, (25, 12, 6)[strength]])
    if not done:
        raise ValueError("OpenCV could not encode a JPEG")
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _small(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    """A face of 24, 16 or 12 pixels, enlarged to what the network wants."""
    side = (24, 16, 12)[strength]
    tiny = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(tiny, face.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _rotation(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    angle = (10, 20, 30)[strength] * rng.choice((-1, 1))
    middle = ((face.shape[1] - 1) / 2, (face.shape[0] - 1) / 2)
    turn = cv2.getRotationMatrix2D(middle, float(angle), 1.0)
    return np.asarray(cv2.warpAffine(face, turn, face.shape[::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _mask(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    """A face mask in some grey, from the chin up to the mouth, over it, and to the nose's bridge."""
    nose, mouth, eyes = rule.landmarks[2][1], rule.landmarks[3][1], rule.landmarks[0][1]
    top = (mouth, (nose + mouth) / 2, (eyes + nose) / 2)[strength]
    shape = [(0.12, top + 0.05), (0.5, top), (0.88, top + 0.05), (0.82, 0.85), (0.5, 1.0), (0.18, 0.85)]
    points = np.array([(x * face.shape[1], y * face.shape[0]) for x, y in shape]).round().astype(np.int32)
    return np.asarray(cv2.fillPoly(face.copy(), [points], int(rng.integers(60, 230)), cv2.LINE_AA), np.uint8)


def _sunglasses(face: Face, strength: int, rng: np.random.Generator, rule: CropRule) -> Face:
    """Dark glasses, small to large."""
    worn, grey = face.copy(), int(rng.integers(5, 45))
    high, wide = face.shape
    size = (0.09, 0.13, 0.17)[strength]
    eyes = [(round(x * wide), round(y * high)) for x, y in rule.landmarks[:2]]
    for eye in eyes:
        cv2.ellipse(
            worn, eye, (round(size * wide), round(0.8 * size * high)), 0, 0, 360, grey, -1, cv2.LINE_AA
        )
    cv2.line(worn, eyes[0], eyes[1], grey, max(1, round(0.03 * high)), cv2.LINE_AA)
    return worn


KINDS: dict[str, Callable[[Face, int, np.random.Generator, CropRule], Face]] = {
    "dark": _dark,
    "bright": _bright,
    "contrast": _contrast,
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "small": _small,
    "rotation": _rotation,
    "mask": _mask,
    "sunglasses": _sunglasses,
}
