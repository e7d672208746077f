"""A data set of made faces: as many as asked for, the same each time, cut as live faces are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import crop_matrix
from edge.bundle_files.sections import CropRule
from edge.commands.progress import Progress
from edge.files import whole
from edge.results import Box, Face
from faces.labels import LabelSet
from train.synth import actions, newborns, scene, skin
from train.synth.mesh import Head, Heads
from train.synth.render import Rendered, render


@dataclass(frozen=True)
class MadeFaces:
    """N made faces and all that is known of them.

    ``faces`` uint8 [N, S, S] grey; ``label`` int8 [N] of ``labels``; ``person`` int32 [N]; ``strength``,
    ``yaw`` and ``pitch`` float32 [N] (0-1, degrees); ``landmarks`` float32 [N, 68, 2] in pixels of the face;
    ``visible`` bool [N, 68]; ``units`` float32 [N, U] of ``unit_names``; ``source`` names the family of
    heads.
    """

    faces: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int8]
    labels: tuple[str, ...]
    person: npt.NDArray[np.int32]
    strength: npt.NDArray[np.float32]
    yaw: npt.NDArray[np.float32]
    pitch: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
    units: npt.NDArray[np.float32]
    unit_names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True)
class Wish:
    """What to make: ``count`` faces of ``size`` pixels, of people from ``first`` on, turned by up to ``yaw``.

    ``weakest`` 0-1: strengths are even between it and 1. ``labels``: the set of ``faces.labels`` that they
    show, each person every label once.
    """

    count: int
    size: int = 96
    first: int = 0
    yaw: float = 25.0
    weakest: float = 0.6
    labels: LabelSet = "expressions"


Draw = Callable[[str, float, np.random.Generator], dict[int, float]]
# What is shown under each set of labels, and how its actions are drawn.
SHOWN: Mapping[LabelSet, tuple[tuple[str, ...], Draw]] = {
    "expressions": (tuple(actions.EXPRESSIONS), actions.draw),
    "neonatal": (tuple(newborns.STATES), newborns.draw),
}


def make(heads: Heads, wish: Wish, rule: CropRule) -> MadeFaces:
    """Render what ``wish`` asks for, cut by ``rule``: the same pixels for the same wish."""
    labels, _ = SHOWN[wish.labels]
    any_head = heads.head(0)
    painted, names = skin.paint(any_head), tuple(sorted(any_head.units))
    made = MadeFaces(
        faces=np.zeros((wish.count, wish.size, wish.size), np.uint8),
        label=(np.arange(wish.count) % len(labels)).astype(np.int8),
        labels=labels,
        # A person shows everything once.
        person=(wish.first + np.arange(wish.count) // len(labels)).astype(np.int32),
        strength=np.zeros(wish.count, np.float32),
        yaw=np.zeros(wish.count, np.float32),
        pitch=np.zeros(wish.count, np.float32),
        landmarks=np.zeros((wish.count, 68, 2), np.float32),
        visible=np.zeros((wish.count, 68), np.bool_),
        units=np.zeros((wish.count, len(names)), np.float32),
        unit_names=names,
        source=heads.source,
    )
    with Progress("rendering", wish.count, "faces") as progress:
        for index in range(wish.count):
            if index % len(labels) == 0:
                # All faces of a person follow each other: the head is built once for them.
                head = heads.head(int(made.person[index]))
                who = skin.draw_complexion(np.random.default_rng([2, int(made.person[index])]))
                who = skin.newborn(who) if heads.newborn else who
            _make_one(made, index, head, who, painted, wish, rule)
            progress.advance()
    return made


def _make_one(
    made: MadeFaces,
    index: int,
    head: Head,
    who: skin.Complexion,
    painted: skin.Paint,
    wish: Wish,
    rule: CropRule,
) -> None:
    person = int(made.person[index])
    rng = np.random.default_rng([1, person, int(made.label[index])])
    strength = float(rng.uniform(wish.weakest, 1))
    drawn = SHOWN[wish.labels][1](made.labels[made.label[index]], strength, rng)
    units = head.able(actions.units_of(drawn, float(np.clip(rng.normal(0, 0.1), -0.4, 0.4))))
    view = scene.draw_view(rng, wish.yaw)
    fine = max(96, round(wish.size * 1.8))
    taken = render(
        head,
        units,
        painted,
        who,
        view=view,
        light=scene.draw_light(rng),
        size=fine,
        behind=scene.draw_background(rng, 2 * fine),
    )
    face, landmarks = cut(taken, rule, wish.size)
    made.faces[index] = scene.photograph(face, scene.draw_camera(rng), rng)
    made.landmarks[index], made.visible[index] = landmarks, taken.visible
    made.strength[index], made.yaw[index], made.pitch[index] = strength, view.yaw, view.pitch
    made.units[index] = [units.get(name, 0.0) for name in made.unit_names]


def cut(taken: Rendered, rule: CropRule, size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """The face as a live one is cut, uint8 [size, size], and its landmarks there, float32 [68, 2]."""
    matrix = crop_matrix(Face(Box(0, 0, *taken.picture.shape), landmarks=taken.five), rule, size)
    face = cv2.warpAffine(
        taken.picture, matrix, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    landmarks = taken.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(face, np.uint8), landmarks.astype(np.float32)


def write(made: MadeFaces, path: Path) -> None:
    """Write a packed set: the arrays of lfw_expressions, and beside them what only a made face tells.

    Faces are JPEG files of quality 95 in a row, face k from ``offset[k]`` on. Raises StorageFailed.
    """
    coded = [cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel() for face in made.faces]
    offset = np.concatenate([[0], np.cumsum([len(each) for each in coded])]).astype(np.int64)
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(
            part,
            jpeg=np.concatenate(coded),
            offset=offset,
            label=made.label.astype(np.int8),
            labels=np.array(made.labels),
            person=made.person,
            source=np.zeros(len(made), np.int8),
            sources=np.array([made.source]),
            strength=made.strength,
            yaw=made.yaw,
            pitch=made.pitch,
            landmarks=made.landmarks.astype(np.float16),
            visible=made.visible,
            units=made.units.astype(np.float16),
            unit_names=np.array(made.unit_names),
        )


def sheet(made: MadeFaces, rows: int = 8, side: int = 96) -> npt.NDArray[np.uint8]:
    """The first faces as one picture uint8 [H, W], a person a row and an expression a column."""
    columns = len(made.labels)
    count = min(rows, len(made) // columns) * columns
    faces = [cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC) for face in made.faces[:count]]
    lines = [np.hstack(faces[row : row + columns]) for row in range(0, count, columns)]
    head = np.full((18, columns * side), 255, np.uint8)
    for index, name in enumerate(made.labels):
        cv2.putText(head, name, (index * side + 4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 0, 1, cv2.LINE_AA)
    return np.vstack([head, *lines])
