"""Heads as meshes: a neutral shape per person, and the units by which it moves.

ICT-FaceKit Light (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; MIT),
packed as arrays. Lengths are centimetres, x to the person's left, y up, z to the viewer.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid

Points = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

SKIN, MOUTH, TEETH, EYE, IRIS = range(5)
# ICT-FaceKit's vertices in order: the first vertex that no longer belongs to the part.
ICT_PARTS = ((11247, SKIN), (13293, MOUTH), (17038, MOUTH), (21450, TEETH), (24591, EYE))
# Each eye is a clear shell around a ball; the ball alone is drawn. Its iris lies under the shell's bulge.
ICT_EYES = (((21450, 22221), (22221, 23021)), ((23021, 23791), (23791, 24591)))
IRIS_RADIUS = 0.6  # centimetres, of a human eye
# Its vertices at the 68 points of iBUG's 300-W (Sagonas et al., 2013), as its authors list them.
ICT_LANDMARKS = (
    1225,
    1888,
    1052,
    367,
    1719,
    1722,
    2199,
    1447,
    966,
    3661,
    4390,
    3927,
    3924,
    2608,
    3272,
    4088,
    3443,
    268,
    493,
    1914,
    2044,
    1401,
    3615,
    4240,
    4114,
    2734,
    2509,
    978,
    4527,
    4942,
    4857,
    1140,
    2075,
    1147,
    4269,
    3360,
    1507,
    1542,
    1537,
    1528,
    1518,
    1511,
    3742,
    3751,
    3756,
    3721,
    3725,
    3732,
    5708,
    5695,
    2081,
    0,
    4275,
    6200,
    6213,
    6346,
    6461,
    5518,
    5957,
    5841,
    5702,
    5711,
    5533,
    6216,
    6207,
    6470,
    5517,
    5966,
)
ICT_SPREAD = 0.8  # of the identity weights: at 1 every tenth head looks like nobody
ICT_MODES = 40  # of 100: the later ones move less than a pixel


@dataclass(frozen=True)
class Head:
    """One person's head.

    ``neutral`` float32 [V, 3]; ``rest`` float32 [V, 3] is the family's mean head, whose coordinates say what
    a place of the skin is (lip, brow, forehead); ``triangles`` int32 [T, 3], counter-clockwise seen from
    outside; ``tissue`` uint8 [V] of SKIN, MOUTH, TEETH, EYE, IRIS; ``units`` name -> float32 [V, 3], added
    times a weight 0-1, named as ARKit names blend shapes, with _L and _R for the person's left and right;
    ``landmarks`` int32 [68] vertices at iBUG's points.
    """

    neutral: Points
    rest: Points
    triangles: Indices
    tissue: npt.NDArray[np.uint8]
    units: Mapping[str, Points]
    landmarks: Indices

    def moved(self, weights: Mapping[str, float]) -> Points:
        """The head with units set to ``weights``, float32 [V, 3]. Raises DataInvalid for an unknown unit."""
        shape = self.neutral.copy()
        for name, weight in weights.items():
            if name not in self.units:
                raise DataInvalid(f"unknown unit '{name}': choose {', '.join(sorted(self.units))}")
            shape += np.float32(weight) * self.units[name]
        return shape

    def able(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Those of ``weights`` that this head has units for: families differ in a few."""
        return {name: weight for name, weight in weights.items() if name in self.units}


class Heads(Protocol):
    """A family of heads: as many people as are drawn from it. ``source`` names it in data sets and tables.

    ``newborn``: all of its people are.
    """

    source: str
    newborn: bool

    def head(self, person: int) -> Head:
        """The head of a person by number, always the same."""


class IctHeads:
    """ICT-FaceKit's morphable heads from a packed .npz. Raises DataInvalid."""

    source = "rendered ICT-FaceKit"
    newborn = False

    def __init__(self, path: Path) -> None:
        arrays = read_pack(path, ("neutral", "identity", "expression", "names", "triangles"))
        self._neutral = arrays["neutral"].astype(np.float32)
        self._identity = arrays["identity"][:ICT_MODES].astype(np.float32)
        self._names = [str(name) for name in arrays["names"]]
        self._expression = arrays["expression"].astype(np.float32)
        triangles = arrays["triangles"].astype(np.int32)
        shells = [slice(*shell) for shell, _ in ICT_EYES]
        clear = np.zeros(len(self._neutral), bool)
        for shell in shells:
            clear[shell] = True
        self._triangles = triangles[~clear[triangles].any(1)]
        if len(self._neutral) != ICT_PARTS[-1][0]:
            raise DataInvalid(
                f"'{path}' has {len(self._neutral)} vertices, and ICT-FaceKit Light has {ICT_PARTS[-1][0]}"
            )

    @cached_property
    def _tissue(self) -> npt.NDArray[np.uint8]:
        tissue, first = np.zeros(len(self._neutral), np.uint8), 0
        for end, part in ICT_PARTS:
            tissue[first:end], first = part, end
        for shell, ball in ICT_EYES:
            place = slice(*ball)
            middle = self._neutral[place].mean(0)
            bulge = self._neutral[slice(*shell)]
            gaze = bulge[bulge[:, 2].argmax()] - middle
            gaze /= np.linalg.norm(gaze)
            tissue[place][gaze_cone(self._neutral[place], gaze)] = IRIS
        return tissue

    @cached_property
    def _units(self) -> dict[str, Points]:
        return dict(zip(self._names, self._expression, strict=True))

    def head(self, person: int) -> Head:
        """The head of a person by number, always the same; identity weights are normal with ICT_SPREAD."""
        weights = np.random.default_rng([68, person]).normal(0, ICT_SPREAD, len(self._identity))
        shape = self._neutral + np.tensordot(weights.astype(np.float32), self._identity, 1)
        landmarks = np.array(ICT_LANDMARKS, np.int32)
        return Head(shape, self._neutral, self._triangles, self._tissue, self._units, landmarks)


def gaze_cone(ball: Points, gaze: Points) -> npt.NDArray[np.bool_]:
    """Which points [V, 3] of an eyeball are its iris, where the eye looks along ``gaze`` [3], of length 1."""
    out = ball - ball.mean(0)
    ahead = out @ gaze
    beside = np.linalg.norm(out - ahead[:, None] * gaze, axis=1)
    return np.asarray((ahead > 0) & (beside < IRIS_RADIUS), np.bool_)


def arrays_of(path: Path) -> tuple[str, ...]:
    """The names of the arrays in a pack of heads. Raises DataInvalid."""
    with _opened(path) as file:
        return tuple(file.files)


def read_pack(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """The arrays ``names`` of a pack of heads. Raises DataInvalid."""
    with _opened(path) as file:
        missing = [name for name in names if name not in file]
        if missing:
            raise DataInvalid(f"'{path}' is no pack of heads: it lacks {', '.join(missing)}")
        return {name: file[name] for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"'{path}' is no pack of heads: {error}") from error
