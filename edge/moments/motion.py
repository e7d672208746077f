"""How the parts of one face moved against how it looked a moment ago, its head's own motion taken out.

The flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) goes from one quiet frame
to each that follows, not from frame to frame: a movement that lasts 0.3 s is then one hill, and its size does
not depend on the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.align import Image, align, crop_matrix
from edge.moments import regions
from edge.moments.regions import EYES, MEAN, RULE, SPEC, STEADY, STEP, Floats, X, Y
from edge.results import Face

OUTLIER = 0.6  # pixels of the crop from the head's motion beyond which a place counts for little
LOST = 1.6  # pixels: where the middling place is so far off, the crop shows something else
ALIKE = 0.7  # correlation with the quiet frame below which it does so too
FITS = 2


@dataclass(frozen=True)
class Motion:
    """One face in one frame.

    ``parts`` float32 [regions, 2]: how far each part is right and down of where it was in the quiet frame, in
    distances between the eyes. ``lost``: it cannot be compared with that frame. ``place``: where the face
    is in the frame and how large, as (x, y, pixels between the eyes). ``misfit``: how far the middling place
    that should move with the head is from where the head's motion takes it, in distances between the eyes.
    """

    parts: Floats
    lost: bool
    place: tuple[float, float, float]
    misfit: float = 0.0


class FaceMotion:
    """Measures one face from frame to frame; ``rest`` makes the last frame the one to compare with."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(1)
        self._flow.setUseSpatialPropagation(True)
        self._quiet: Image | None = None
        self._now: Image | None = None
        self._small: Floats | None = None

    def __call__(self, frame: Image, face: Face) -> Motion:
        """``face`` in the uint8 [H, W, 3] BGR ``frame``."""
        return self.of_crop(align(frame, face, RULE, SPEC), _place(face))

    def of_crop(self, crop: Image, place: tuple[float, float, float]) -> Motion:
        """``crop``: uint8 [96, 96] grey, cut by ``regions.RULE``."""
        self._now = crop
        if self._quiet is None:
            self._quiet = crop
        flow = np.asarray(self._flow.calc(self._quiet, crop, _flow_room()), np.float32)
        here = flow[STEP // 2 :: STEP, STEP // 2 :: STEP].reshape(-1, 2)
        own, off = without_head(here)
        lost = off > LOST or self._likeness(crop) < ALIKE
        return Motion(MEAN @ own / np.float32(EYES), lost, place, off / EYES)

    def rest(self) -> None:
        """From now on, movements are told against the last frame."""
        self._quiet, self._small = self._now, None

    def _likeness(self, crop: Image) -> float:
        """The correlation, -1 to 1, of two small pictures of the faces."""
        assert self._quiet is not None
        if self._small is None:
            self._small = _small(self._quiet)
        return float(self._small @ _small(crop))


def without_head(flow: Floats) -> tuple[Floats, float]:
    """``flow`` float32 [places, 2], in pixels, less the similarity that fits its steady places; and how far
    off the middling one of these is.

    Weighted least squares, again with what does not fit counting less (Beaton and Tukey, 1974).
    """
    # As complex numbers: a similarity is a product and a sum.
    z = np.ascontiguousarray(flow).view(np.complex64)[:, 0]
    steady, weights = z[STEADY], _ONES
    for _ in range(FITS):
        total = weights.sum()
        middle, place = weights @ steady / total, weights @ _STEADY / total
        away = _STEADY - place
        pull = weights * away.conj()
        turn = pull @ (steady - middle) / (pull @ away + _STIFF)
        off = np.abs(steady - middle - turn * away)
        middling = float(np.median(off))
        share = np.minimum(1, off / max(OUTLIER, 3 * middling))
        weights = (1 - share * share) ** 2
    own = z - (middle + turn * (_ALL - place))
    return own.astype(np.complex64).view(np.float32).reshape(-1, 2), middling


def _flow_room() -> Floats:
    return np.zeros((regions.SIDE, regions.SIDE, 2), np.float32)


def _small(crop: Image) -> Floats:
    """The face's middle at a quarter, less its mean, of length 1."""
    middle = cv2.resize(crop, (24, 24), interpolation=cv2.INTER_AREA)[3:-2, 4:-4].astype(np.float32).ravel()
    middle -= middle.mean()
    return np.asarray(middle / max(1.0, float(np.linalg.norm(middle))), np.float32)


def _place(face: Face) -> tuple[float, float, float]:
    """Where the crop's middle lies in the frame, and the pixels of the frame between the eyes."""
    (a, b, x), (c, d, y) = crop_matrix(face, RULE, regions.SIDE).tolist()
    determinant = a * d - b * c
    half = regions.SIDE / 2
    u, v = half - x, half - y
    return (d * u - b * v) / determinant, (a * v - c * u) / determinant, EYES / abs(determinant) ** 0.5


_ALL = (X + 1j * Y).astype(np.complex64)
_STEADY = _ALL[STEADY]
_ONES = np.ones(len(_STEADY), np.float32)
_STIFF = np.float32(1e-6)
