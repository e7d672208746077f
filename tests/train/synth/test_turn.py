"""Turned photographs: by a mesh of our own, whose geometry is known, and by the real one where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import DataInvalid
from faces.crop_rule import crop_rule_of
from train.synth import dataset, face_mesh, turn
from train.synth.face_mesh import IBUG, FaceMesh
from train.synth.families import load_heads
from train.synth.render import View

SHARED = Path(__file__).parents[4] / "shared"
ICT, MESH = SHARED / "data" / "ict_face.npz", SHARED / "models" / "face_landmark.tflite"


def bulge() -> FaceMesh:
    """468 points of half an ellipsoid in a picture of 96 pixels, those of IBUG spread over it like the
    others."""
    rng = np.random.default_rng(2)
    angle, radius = rng.uniform(-np.pi, np.pi, 468), np.sqrt(rng.uniform(0, 1, 468))
    x, y = 30 * radius * np.cos(angle), 36 * radius * np.sin(angle)
    z = 25 * np.sqrt(np.maximum(0, 1 - radius**2))
    return FaceMesh(np.stack([48 + x, 48 + y, z], 1).astype(np.float32), 1.0)


def photo() -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:96, :96]
    return (120 + 60 * np.sin(rows / 5) + 50 * np.cos(columns / 7)).clip(0, 255).astype(np.uint8)


def test_a_face_that_is_not_turned_stays_as_it_is() -> None:
    made = turn.turn(photo(), bulge(), View())
    np.testing.assert_allclose(made.landmarks, bulge().landmarks[:, :2], atol=1e-3)
    kept = ~made.hole
    assert kept.mean() > 0.5
    assert np.abs(made.picture[kept].astype(int) - photo()[kept]).max() <= 3


@pytest.mark.parametrize(("yaw", "side"), [(40, 1), (-40, -1)])
def test_a_turn_shows_one_side_and_hides_the_other(yaw: float, side: int) -> None:
    made, mesh = turn.turn(photo(), bulge(), View(yaw)), bulge()
    nose = int(mesh.landmarks[:, 2].argmax())
    moved = made.landmarks[:, 0] - mesh.landmarks[:, 0]
    assert side * moved[nose] > 3
    # Towards which the face looks, its flank goes out of sight.
    from_middle = side * (mesh.landmarks[:, 0] - 48)
    assert made.visible[from_middle < -5].mean() > made.visible[from_middle > 20].mean()
    assert made.visible[nose] and made.hole.any()


def test_depth_is_before_the_middle_inside_the_face_and_nothing_beside_it() -> None:
    depth = turn.turn(photo(), bulge(), View(20)).depth
    assert depth[0, 0] == 0 and depth[48, 48] > 20


def test_pose_is_told_by_the_axes_of_the_mesh() -> None:
    points = np.zeros((468, 3), np.float32)
    points[454, 0], points[234, 0], points[152, 1], points[10, 1] = 1, -1, 1, -1
    assert turn.pose_of(FaceMesh(points, 1.0)) == View(0, 0, 0)
    angle = np.radians(30)
    # To the person's left: their nose goes right in the picture, and their left ear backwards.
    turned = points @ np.array(
        [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
    )
    pose = turn.pose_of(FaceMesh(turned.astype(np.float32), 1.0))
    assert pose.yaw == pytest.approx(30, abs=1e-3) and pose.pitch == pytest.approx(0, abs=1e-3)


def test_what_is_no_face_mesh_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"'.*none.tflite' cannot be read"):
        face_mesh.MeshReader(tmp_path / "none.tflite")


def test_the_mesh_agrees_with_rendered_heads_about_landmarks() -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    for path in (ICT, MESH):
        if not path.is_file():
            pytest.skip(f"{path.name} is not beside the project")
    made = dataset.make(load_heads(ICT), dataset.Wish(7, 96, yaw=15), crop_rule_of("fer2013"))
    reader = face_mesh.MeshReader(MESH)
    off = []
    for face, wanted in zip(made.faces, made.landmarks, strict=True):
        mesh = reader(face)
        assert mesh is not None
        eyes = np.linalg.norm(wanted[36] - wanted[45])
        off.append(np.linalg.norm(mesh.landmarks[:, :2] - wanted, axis=1).mean() / eyes)
        shown = turn.turn(face, mesh, View(30))
        assert 20 < turn.pose_of(reader(shown.picture) or mesh).yaw - turn.pose_of(mesh).yaw < 45
    reader.close()
    assert len(IBUG) == 68 and np.median(off) < 0.06
