"""MakeHuman's heads: ancestry, sex and age as morphs, from newborn to old, moved by the units that ICT's
heads have.

MakeHuman (makehumancommunity.org; CC0), packed as arrays, in decimetres. Brought to the place where
ICT-FaceKit's mean head has its eyes, in centimetres, so that paint, light and camera hold for both families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.synth.makehuman_parts import Mouth, Refined
from train.synth.mesh import EYE, IRIS, MOUTH, SKIN, TEETH, Head, Points, gaze_cone, read_pack

ANCESTRIES, SEXES = ("african", "asian", "caucasian"), ("female", "male")
AGES = ("baby", "child", "young", "old")
VERTICES = 5047
# Between the eyeballs' middles of ICT-FaceKit's mean head, in its centimetres, and how far they are apart.
EYES_AT = np.array([0.0, 3.61, 8.45], np.float32)
# A camera goes nearer to a small head: a child's is still seen smaller than a grown one's.
EYES_APART, YIELD = 6.39, 0.8
MORPHS, SPREAD = 24, 0.5  # of the 270 shapes a person has so many, up to so much of them: else caricatures
# Its vertices at iBUG's 68 points. Measured: 40 rendered heads were read by the face mesh of MediaPipe, and
# of the vertices that the camera sees the one taken that was nearest in the median, left and right alike. The
# brows lie 4 mm higher than that: painted there, calm heads seemed to frown.
LANDMARKS = (
    2487,
    1903,
    1956,
    736,
    1958,
    1944,
    1883,
    1939,
    1889,
    4338,
    4285,
    4342,
    4356,
    3189,
    4354,
    4304,
    4873,
    255,
    225,
    222,
    205,
    208,
    2716,
    2713,
    2729,
    2732,
    2757,
    132,
    131,
    164,
    294,
    286,
    314,
    317,
    2810,
    2788,
    1063,
    2495,
    54,
    1738,
    50,
    41,
    4145,
    2571,
    4881,
    3488,
    2558,
    2567,
    427,
    447,
    460,
    466,
    2952,
    2940,
    2920,
    2966,
    2968,
    2055,
    480,
    478,
    497,
    459,
    468,
    2951,
    2979,
    2969,
    494,
    481,
)


@dataclass(frozen=True)
class Person:
    """Who is drawn: shares of each ancestry summing to 1, ``sex`` 0 (female) to 1 (male), shares of each
    age."""

    ancestry: Mapping[str, float]
    sex: float
    age: Mapping[str, float]


class MakeHumanHeads:
    """MakeHuman's heads from a packed .npz; ``ages`` are those that people are drawn from. Raises
    DataInvalid."""

    def __init__(self, path: Path, ages: tuple[str, ...] = ("young", "old", "child")) -> None:
        names = (
            "base",
            "triangles",
            "is_eye",
            "macro",
            "macro_names",
            "unit",
            "unit_names",
            "shape",
            "shape_names",
        )
        arrays = read_pack(path, names)
        if len(arrays["base"]) != VERTICES:
            raise DataInvalid(f"'{path}' has {len(arrays['base'])} vertices, and MakeHuman's head {VERTICES}")
        self.newborn = ages == ("baby",)
        self.source = "rendered MakeHuman" + (" newborns" if self.newborn else "")
        unknown = [age for age in ages if age not in AGES]
        if unknown:
            raise DataInvalid(f"unknown age '{unknown[0]}': choose {', '.join(AGES)}")
        self._ages = ages
        self._base = 10 * arrays["base"].astype(np.float32)
        self._macro = {
            str(name).removeprefix("macrodetails/"): 10 * morph.astype(np.float32)
            for name, morph in zip(arrays["macro_names"], arrays["macro"], strict=True)
        }
        self._shape = _both_sides(arrays["shape_names"], 10 * arrays["shape"].astype(np.float32))
        triangles, eye = arrays["triangles"].astype(np.int32), arrays["is_eye"].astype(bool)
        self._eyes = np.unique(triangles[eye])
        self._refine = Refined(triangles[eye], len(self._base), 2)
        mean = self._placed(self._shaped(_mean_person()))
        self._mouth = Mouth(mean, (LANDMARKS[62], LANDMARKS[66]), LANDMARKS[8])
        self._rest = self._whole(mean)
        first = len(mean) + len(self._refine.parents)
        self._triangles = np.concatenate(
            [triangles[~eye], self._refine.triangles, self._mouth.triangles + first]
        ).astype(np.int32)
        self._tissue = self._painted(mean)
        self._units = self._named(arrays["unit_names"], 10 * arrays["unit"].astype(np.float32))

    def person(self, number: int) -> Person:
        """Who the person of that number is, always the same."""
        rng = np.random.default_rng([69, number])
        return Person(
            dict(zip(ANCESTRIES, rng.dirichlet((0.35,) * 3).tolist(), strict=True)),
            float(rng.random() < 0.5),
            dict(zip(self._ages, rng.dirichlet((0.35,) * len(self._ages)).tolist(), strict=True)),
        )

    def head(self, person: int) -> Head:
        """The head of a person by number, always the same."""
        return self.head_of(self.person(person), np.random.default_rng([70, person]))

    def head_of(self, person: Person, rng: np.random.Generator) -> Head:
        """The head of ``person``, with the shape of a face that ``rng`` draws."""
        own = np.zeros_like(self._base)
        for number in rng.choice(len(self._shape), MORPHS, replace=False):
            own += np.float32(SPREAD * rng.uniform(0, 1)) * self._shape[number]
        shape = self._placed(self._shaped(person) + own)
        landmarks = np.array(LANDMARKS, np.int32)
        return Head(self._whole(shape), self._rest, self._triangles, self._tissue, self._units, landmarks)

    def _shaped(self, person: Person) -> Points:
        shape = self._base.copy()
        for sex, much in (("female", 1 - person.sex), ("male", person.sex)):
            for age, share in person.age.items():
                weight = np.float32(much * share)
                shape += weight * self._macro[f"universal-{sex}-{age}-averagemuscle-averageweight"]
                for ancestry, part in person.ancestry.items():
                    shape += weight * np.float32(part) * self._macro[f"{ancestry}-{sex}-{age}"]
        return shape

    def _placed(self, shape: Points) -> Points:
        """The head where ICT's is: its eyes at EYES_AT, and nearly as far apart."""
        eyes = shape[self._eyes]
        left, right = eyes[eyes[:, 0] > 0].mean(0), eyes[eyes[:, 0] < 0].mean(0)
        scale = (EYES_APART / float(left[0] - right[0])) ** YIELD
        return np.asarray((shape - (left + right) / 2) * scale + EYES_AT, np.float32)

    def _whole(self, shape: Points) -> Points:
        """The head with its finer eyes and its teeth."""
        return np.concatenate([shape, self._refine(shape), self._mouth.teeth(shape)]).astype(np.float32)

    def _painted(self, mean: Points) -> npt.NDArray[np.uint8]:
        """What each vertex is: the inside of the mouth is what lies behind the lips."""
        tissue = np.full(len(self._rest), SKIN, np.uint8)
        tissue[: len(mean)][self._mouth.inside(mean)] = MOUTH
        eye = np.concatenate([self._eyes, np.arange(len(mean), len(mean) + len(self._refine.parents))])
        for side in (1, -1):
            ball = eye[side * self._rest[eye, 0] > 0]
            tissue[ball] = EYE
            tissue[ball[gaze_cone(self._rest[ball], np.array([0, 0, 1], np.float32))]] = IRIS
        # Newborns have none.
        tissue[len(mean) + len(self._refine.parents) :] = MOUTH if self.newborn else TEETH
        return tissue

    def _named(self, names: npt.NDArray[Any], deltas: Points) -> dict[str, Points]:
        """The units by ICT's names, [V, 3] each; teeth go with the jaw."""
        units: dict[str, Points] = {}
        for name, delta in zip((str(name).removeprefix("faceunits/") for name in names), deltas, strict=True):
            moved = np.concatenate([delta, self._refine(delta), self._mouth.moved(delta)]).astype(np.float32)
            if name.endswith(("Left", "Right")) and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
                units[name.replace("Left", "_L").replace("Right", "_R")] = moved
            elif name in ("browInnerUp", "cheekPuff"):
                # One unit for both sides here, two in ICT-FaceKit.
                to_left = np.clip(self._rest[:, :1] / 2 + 0.5, 0, 1)
                units[f"{name}_L"] = (moved * to_left).astype(np.float32)
                units[f"{name}_R"] = (moved * (1 - to_left)).astype(np.float32)
            else:
                units[name] = moved
        return units


def _mean_person() -> Person:
    return Person(dict.fromkeys(ANCESTRIES, 1 / 3), 0.5, {"young": 1.0})


def _both_sides(names: npt.NDArray[Any], shapes: Points) -> Points:
    """The morphs with those of a left side joined with their like on the right."""
    by_name = {str(name): shape for name, shape in zip(names, shapes, strict=True)}
    joined = [
        shape + by_name[name.replace("/l-", "/r-")] if "/l-" in name else shape
        for name, shape in by_name.items()
        if "/r-" not in name
    ]
    return np.stack(joined)
