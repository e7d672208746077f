"""Photographs turned by the face mesh, as domains: the same faces from straight ahead to the side.

They are made from photographs of real people, but what they show was never photographed: such rows are no
part of a mean over real domains.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import crop_matrix
from edge.bundle_files.sections import CropRule
from edge.commands.progress import Progress
from edge.errors import DataInvalid
from edge.results import Box, Face
from faces.domains import Domain
from faces.face_set import FaceSet
from train.synth.face_mesh import FaceMesh, MeshReader
from train.synth.render import View, five_of
from train.synth.turn import turn

YAWS = (0, 15, 30, 45, 60)
MOST = 500  # faces of a set, spread evenly over it: a point is two faces
SIDE = 96  # the pixels at which a face is turned


def domains_of(faces: FaceSet, reader: MeshReader, title: str, rule: CropRule) -> list[Domain]:
    """A domain for each of YAWS, of the same faces of ``faces``: those, at most MOST, whose mesh is found.

    Every second face is turned to its right. All are cut anew by ``rule`` where the mesh has the eyes, nose
    and mouth, at 0 degrees too, so that the rows differ in the turn alone. Raises DataInvalid where no mesh
    is found.
    """
    spread = np.unique(np.linspace(0, len(faces) - 1, min(MOST, len(faces))).round().astype(int))
    kept: list[int] = []
    shown: list[list[npt.NDArray[np.uint8]]] = [[] for _ in YAWS]
    with Progress(f"turning {title}", len(spread), "faces") as progress:
        for index in spread:
            large = cv2.resize(faces.faces[index], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            picture = np.asarray(large, np.uint8)
            if mesh := reader(picture):
                kept.append(int(index))
                for pictures, yaw in zip(shown, YAWS, strict=True):
                    signed = yaw if len(kept) % 2 else -yaw
                    pictures.append(_seen(picture, mesh, signed, rule, faces.faces.shape[1]))
            progress.advance()
    if not kept:
        raise DataInvalid(f"{title}: the face mesh finds no face")
    chosen = faces.take(np.array(kept))
    return [
        Domain(
            f"{title}, turned {yaw}",
            replace(chosen, name=f"{faces.name}-turned-{yaw}", faces=np.stack(pictures)),
            real=False,
        )
        for pictures, yaw in zip(shown, YAWS, strict=True)
    ]


def _seen(
    picture: npt.NDArray[np.uint8], mesh: FaceMesh, yaw: int, rule: CropRule, side: int
) -> npt.NDArray[np.uint8]:
    """The face turned by ``yaw`` degrees from where it looks, cut as a live one is, uint8 [side, side]."""
    if yaw:
        made = turn(picture, mesh, View(yaw))
        picture, marks = made.picture, made.landmarks
    else:
        marks = mesh.landmarks[:, :2]
    matrix = crop_matrix(Face(Box(0, 0, SIDE, SIDE), landmarks=five_of(marks)), rule, side)
    cut = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)
