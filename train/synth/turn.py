"""A photograph of a face, turned: its mesh is turned in depth and painted with the photograph.

What the camera did not see is not invented: such pixels are holes, and the mask says which. To about 45
degrees from where the face looked the picture looks right; beyond, a cheek is stretched over what was never
there.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from train.synth.face_mesh import IBUG, FaceMesh, Points
from train.synth.mesh import Indices
from train.synth.raster import rasterise
from train.synth.render import View, rotation

Grey = npt.NDArray[np.uint8]
# The head beyond the mesh, in rings: how far from the face's middle, in its own outline, and how far behind
# the outline, in the face's widths. The last is pinned to the picture's frame, which does not turn.
RINGS = ((1.12, 0.12), (1.3, 0.3))
BEHIND_FRAME = 0.9
AXIS = 0.45  # the head turns about an axis so many face widths behind its outline
STRETCHED = 6.0  # a triangle that grew by more shows what the photograph hardly has
SLACK = 0.04  # a landmark is hidden when something is nearer by so many face widths
# Seen so much from the side, in the photograph, a triangle's paint is a smear.
GRAZING = 0.12


@dataclass(frozen=True)
class Turned:
    """``picture`` uint8 [H, W]; ``hole`` bool [H, W]: what the photograph did not show, filled from beside
    it.

    ``landmarks`` float32 [68, 2] in pixels; ``visible`` bool [68]: neither hidden by the face nor stretched
    out; ``depth`` float32 [H, W]: pixels before the face's middle, 0 beside the face's mesh.
    """

    picture: Grey
    hole: npt.NDArray[np.bool_]
    landmarks: Points
    visible: npt.NDArray[np.bool_]
    depth: npt.NDArray[np.float32]


def pose_of(mesh: FaceMesh) -> View:
    """How the face is turned, in degrees, by the axes of its mesh: from ear to ear, and down the middle."""
    across = _unit(mesh.points[454] - mesh.points[234])
    down = mesh.points[152] - mesh.points[10]
    down = _unit(down - (down @ across) * across)
    ahead = np.cross(across, down)
    yaw = np.degrees(np.arctan2(ahead[0], ahead[2]))
    pitch = np.degrees(np.arcsin(np.clip(-ahead[1], -1, 1)))
    roll = np.degrees(np.arctan2(across[1], across[0]))
    return View(float(yaw), float(pitch), float(roll))


def turn(picture: Grey, mesh: FaceMesh, view: View) -> Turned:
    """``picture`` uint8 [H, W], whose face has ``mesh``, with the head turned by ``view`` from where it
    is."""
    height, width = picture.shape
    points, face = _with_rings(mesh, height, width)
    triangles = _triangles(points, height, width)
    span = float(np.ptp(mesh.points[:, 0]))
    middle = mesh.points.mean(0)
    middle[2] = np.percentile(mesh.points[:, 2], 5) - AXIS * span
    moved = points.copy()
    turning = len(points) - _FRAME
    # A picture's y runs down where a head's runs up.
    upright = np.diag([1, -1, 1]).astype(np.float32)
    moved[:turning] = (points[:turning] - middle) @ (upright @ rotation(view) @ upright).T + middle
    # The camera follows: the face's middle stays where it was.
    moved[:turning, :2] += (mesh.points - moved[: len(mesh.points)]).mean(0)[:2]
    moved[turning:, 2] = moved[:, 2].min() - span
    seen = rasterise(moved, triangles, height, width)
    facing = _facing(points, triangles)
    source = seen.of(triangles, np.column_stack([points[:, :2], moved[:, 2], face]).astype(np.float32))
    there = seen.triangle >= 0
    owner = np.maximum(seen.triangle, 0)
    stretched = _growth(points, moved, triangles) > STRETCHED
    smeared = (facing < GRAZING) | stretched
    inside = there & (face[triangles].min(1)[owner] > 0)
    hole = ~there | (smeared[owner] & (triangles[owner] < turning).any(-1))
    painted = cv2.remap(
        picture, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    marks = moved[list(IBUG)]
    depth = np.where(inside, source[..., 2] - middle[2], 0).astype(np.float32)
    filled = _filled(np.asarray(painted, np.uint8), ~there)
    unseen = ~there | stretched[owner]
    visible = _visible(marks, np.where(there, source[..., 2], -np.inf), unseen, SLACK * span)
    return Turned(filled, hole, marks[:, :2].astype(np.float32), visible, depth)


_SEGMENTS = 36  # of a ring
_FRAME = 24  # points on the picture's frame


def _with_rings(mesh: FaceMesh, height: int, width: int) -> tuple[Points, npt.NDArray[np.float32]]:
    """The mesh, the rings about it and the frame, float32 [V, 3]; which of them are the face's, [V] 0 or
    1."""
    points = mesh.points
    middle, span = points.mean(0), float(np.ptp(points[:, 0]))
    outline = cv2.convexHull(np.ascontiguousarray(points[:, :2]), returnPoints=False).ravel()
    edge = points[outline]
    angle = np.arctan2(edge[:, 1] - middle[1], edge[:, 0] - middle[0])
    order = np.argsort(angle)
    at = np.linspace(-np.pi, np.pi, _SEGMENTS, endpoint=False)
    around = np.stack([np.interp(at, angle[order], edge[order, k], period=2 * np.pi) for k in range(3)], 1)
    rings = [
        np.column_stack([middle[:2] + (around[:, :2] - middle[:2]) * wide, around[:, 2] - back * span])
        for wide, back in RINGS
    ]
    side = np.linspace(0, 1, _FRAME // 4, endpoint=False)
    square = np.concatenate([np.stack([side, 0 * side], 1), np.stack([1 + 0 * side, side], 1)])
    square = np.concatenate([square, 1 - square])
    # A little beyond the picture, so that its last pixels are inside.
    frame = (square * 1.04 - 0.02) * (width, height)
    frame = np.column_stack([frame, np.full(len(frame), points[:, 2].min() - BEHIND_FRAME * span)])
    kept = [ring[_within(ring, height, width)] for ring in rings]
    whole = np.concatenate([points, *kept, frame]).astype(np.float32)
    return whole, (np.arange(len(whole)) < len(points)).astype(np.float32)


def _within(ring: npt.NDArray[np.floating], height: int, width: int) -> npt.NDArray[np.bool_]:
    return np.asarray(
        (ring[:, 0] > 0) & (ring[:, 0] < width - 1) & (ring[:, 1] > 0) & (ring[:, 1] < height - 1)
    )


def _triangles(points: Points, height: int, width: int) -> Indices:
    """Delaunay's triangles of the points as the photograph shows them, clockwise there; int32 [T, 3]."""
    room = max(height, width)
    net = cv2.Subdiv2D((-room, -room, 3 * room, 3 * room))
    for x, y in points[:, :2]:
        net.insert((float(x), float(y)))
    # It gives triangles by the places of their corners: those are ours, bit for bit.
    wanted = np.ascontiguousarray(net.getTriangleList(), np.float32).view(np.int64)
    keys = np.ascontiguousarray(points[:, :2], np.float32).view(np.int64).ravel()
    order = np.argsort(keys, kind="stable")
    found = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    triangles = found[(keys[found] == wanted).all(1)].astype(np.int32)
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles[area > 0] = triangles[area > 0][:, ::-1]
    return np.asarray(triangles, np.int32)


def _facing(points: Points, triangles: Indices) -> npt.NDArray[np.float32]:
    """How squarely each triangle faces the photograph's camera, 0-1, float32 [T]."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return np.asarray(np.abs(normal[:, 2]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-9), np.float32)


def _growth(points: Points, moved: Points, triangles: Indices) -> npt.NDArray[np.float32]:
    """How many times larger each triangle is seen than in the photograph, float32 [T]."""

    def area(of: Points) -> npt.NDArray[np.float32]:
        a, b, c = (of[triangles[:, k], :2] for k in range(3))
        cross = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        return np.asarray(np.abs(cross), np.float32)

    return np.asarray(area(moved) / np.maximum(area(points), 1e-3), np.float32)


def _filled(picture: Grey, empty: npt.NDArray[np.bool_]) -> Grey:
    if not empty.any():
        return picture
    return np.asarray(cv2.inpaint(picture, empty.astype(np.uint8), 2, cv2.INPAINT_TELEA), np.uint8)


def _visible(
    marks: Points, depth: npt.NDArray[np.float32], unseen: npt.NDArray[np.bool_], slack: float
) -> npt.NDArray[np.bool_]:
    height, width = depth.shape
    x, y = np.rint(marks[:, 0]).astype(int), np.rint(marks[:, 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    return np.asarray(inside & ~unseen[y, x] & (depth[y, x] - marks[:, 2] < slack), np.bool_)


def _unit(vector: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
