"""Marked faces from three sources: rendered heads (exact), and photographs whose mesh was read, then turned.

Those to test on come clean and with things drawn over them, whose cover is exact; over those to learn from
``train.landmarks.covers`` lays things at every step. Some kinds are kept out of training, so that what
the network says of them is no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import crop_matrix
from edge.bundle_files.sections import CropRule
from edge.commands.progress import Progress
from edge.results import Box, Face
from train.landmarks.marked import CROP, ROOM, SIDE, MarkedFaces
from train.synth import actions, scene, skin
from train.synth.face_mesh import MeshReader
from train.synth.mesh import Heads
from train.synth.render import View, five_of, render
from train.synth.turn import pose_of, turn
from train.synth.wear import KINDS, wear

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
SOURCES = ("rendered ICT-FaceKit", "FER2013, by its mesh", "LFW, by its mesh")
CLEAN = "nothing"
WORN = (CLEAN, *KINDS)
TAUGHT = ("mask", "glasses", "hair", "thing", "patch", "blob")
KEPT_OUT = ("hand", "scarf")
JAW = 17  # the first landmarks
PITCH = 20.0


@dataclass(frozen=True)
class One:
    """One face: see MarkedFaces."""

    picture: Grey
    landmarks: Floats
    visible: npt.NDArray[np.bool_]
    span: float
    yaw: float


def of_heads(heads: Heads, people: range, yaw: float, rule: CropRule, reader: MeshReader) -> Iterator[One]:
    """A rendered face of each of ``people``, of any expression, turned by up to ``yaw`` degrees.

    Along the jaw no point is marked by anything, and the heads' authors and the mesh's put theirs up to a
    tenth of the eyes' distance apart: there the mesh is followed, as on photographs. Heads without a mesh
    are left out.
    """
    labels = tuple(actions.EXPRESSIONS)
    painted = skin.paint(heads.head(0))
    size = round(CROP * 1.8)
    for person in people:
        rng = np.random.default_rng([5, person])
        drawn = actions.draw(str(rng.choice(labels)), float(rng.uniform(0.2, 1)), rng)
        view, head = scene.draw_view(rng, yaw), heads.head(person)
        who = skin.draw_complexion(rng)
        who = skin.newborn(who) if heads.newborn else who
        taken = render(
            head,
            actions.units_of(drawn, float(np.clip(rng.normal(0, 0.1), -0.4, 0.4))),
            painted,
            who,
            view=view,
            light=scene.draw_light(rng),
            size=size,
            behind=scene.draw_background(rng, 2 * size),
        )
        corners = head.neutral[head.landmarks[[36, 45]]]
        span = float(np.linalg.norm(corners[0] - corners[1])) * size / 30.0
        found = One(taken.picture, taken.landmarks, taken.visible, span, view.yaw)
        cut = _cut(found, rule)
        if mesh := reader(cut.picture):
            marks = cut.landmarks.copy()
            marks[:JAW] = mesh.landmarks[:JAW, :2]
            yield replace(cut, landmarks=marks)


def of_photographs(
    pictures: Sequence[Grey], reader: MeshReader, seed: int, yaw: float, rule: CropRule, straight: float
) -> Iterator[One]:
    """Photographs uint8 [H, W] whose mesh is found; all but a share ``straight`` turned, up to ``yaw``."""
    for index, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, index])
        large = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_CUBIC)
        mesh = reader(np.asarray(large, np.uint8))
        if mesh is None:
            continue
        pose = pose_of(mesh)
        corners = mesh.landmarks[[36, 45]]
        wanted = pose.yaw if rng.random() < straight else float(rng.uniform(-yaw, yaw))
        tilt = 0.0 if wanted == pose.yaw else float(np.clip(rng.normal(0, 7), -PITCH, PITCH))
        made = turn(np.asarray(large, np.uint8), mesh, View(wanted - pose.yaw, tilt))
        shown = np.asarray(large, np.uint8) if wanted == pose.yaw else made.picture
        span = float(np.linalg.norm(corners[0] - corners[1]))
        yield _cut(One(shown, made.landmarks, made.visible, span, wanted), rule)


def gathered(
    faces: Iterator[One], count: int, source: str, others: Sequence[Grey], kinds: Sequence[str]
) -> MarkedFaces:
    """``faces``, at most ``count``, each clean and once with a thing of each of ``kinds`` drawn over it.

    ``others`` uint8 [H, W] are what patches are taken from.
    """
    found: list[One] = []
    worn: list[int] = []
    with Progress(source, count, "faces") as progress:
        for index, face in enumerate(faces):
            rng = np.random.default_rng([7, SOURCES.index(source), index])
            found.append(face)
            worn.append(0)
            for kind in rng.choice(list(kinds), len(kinds), replace=False):
                other = others[int(rng.integers(len(others)))]
                over = wear(face.picture, face.landmarks, str(kind), rng, other)
                visible = face.visible & ~over.covers(face.landmarks)
                found.append(replace(face, picture=over.picture, visible=visible))
                worn.append(WORN.index(str(kind)))
            progress.advance()
    return MarkedFaces(
        pictures=np.stack([each.picture for each in found]),
        landmarks=np.stack([each.landmarks for each in found]).astype(np.float32),
        visible=np.stack([each.visible for each in found]),
        span=np.array([each.span for each in found], np.float32),
        yaw=np.array([each.yaw for each in found], np.float32),
        source=np.full(len(found), SOURCES.index(source), np.int8),
        sources=SOURCES,
        worn=np.array(worn, np.int8),
        kinds=WORN,
    )


def spread(pictures: npt.NDArray[np.uint8], count: int) -> list[Grey]:
    """At most ``count`` of ``pictures`` [N, H, W], evenly spread over them."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int))
    return list(pictures[chosen])


def _cut(face: One, rule: CropRule) -> One:
    """The face as a live one is cut, with ROOM pixels more on every side."""
    height, width = face.picture.shape
    matrix = crop_matrix(Face(Box(0, 0, width, height), landmarks=five_of(face.landmarks)), rule, CROP)
    matrix[:, 2] += ROOM
    picture = cv2.warpAffine(
        face.picture, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    marks = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return replace(face, picture=np.asarray(picture, np.uint8), landmarks=marks, span=face.span * scale)
