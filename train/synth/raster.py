"""Which triangle of a mesh each pixel sees, in numpy: a depth buffer over small triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.synth.mesh import Indices, Points


@dataclass(frozen=True)
class Seen:
    """What the pixels of a picture see.

    ``triangle`` int32 [H, W], -1 where there is nothing; ``share`` float32 [H, W, 3]: how much of each of its
    corners.
    """

    triangle: npt.NDArray[np.int32]
    share: npt.NDArray[np.float32]

    def of(self, triangles: Indices, values: Points) -> Points:
        """Per-vertex ``values`` [V, C] at each pixel, float32 [H, W, C]; 0 where there is nothing."""
        there = self.triangle >= 0
        corners = triangles[self.triangle[there]]
        share = self.share[there]
        # Only what is seen is mixed, corner by corner: half of the time of one sum over all pixels.
        mixed = values[corners[:, 0]] * share[:, :1]
        for corner in (1, 2):
            mixed += values[corners[:, corner]] * share[:, corner : corner + 1]
        found = np.zeros((*there.shape, values.shape[1]), np.float32)
        found[there] = mixed
        return found


def rasterise(points: Points, triangles: Indices, height: int, width: int) -> Seen:
    """Look at ``points`` float32 [V, 3]: x right and y down in pixels (centres at whole numbers), z nearer.

    Triangles that are seen from behind are left out.
    """
    corners = points[triangles]
    (ax, ay), (bx, by), (cx, cy) = (corners[:, k, :2].T for k in range(3))
    # With y downwards a triangle that is counter-clockwise from outside runs clockwise.
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    left, right = np.ceil(np.minimum(np.minimum(ax, bx), cx)), np.floor(np.maximum(np.maximum(ax, bx), cx))
    top, bottom = np.ceil(np.minimum(np.minimum(ay, by), cy)), np.floor(np.maximum(np.maximum(ay, by), cy))
    left, top = np.maximum(left, 0), np.maximum(top, 0)
    right, bottom = np.minimum(right, width - 1), np.minimum(bottom, height - 1)
    side = np.maximum(right - left, bottom - top) + 1
    kept = (area < -1e-9) & (right >= left) & (bottom >= top)
    places, depths, owners, shares = [], [], [], []
    largest = int(side[kept].max()) if kept.any() else 0
    bound = 1
    while bound // 2 < largest:
        group = np.flatnonzero(kept & (side <= bound) & (side > bound // 2))
        found = _covered(corners[group], area[group], left[group], top[group], bound, (height, width))
        places.append(found[0])
        depths.append(found[1])
        owners.append(group[found[2]])
        shares.append(found[3])
        bound *= 2
    triangle = np.full(height * width, -1, np.int32)
    share = np.zeros((height * width, 3), np.float32)
    if places:
        place, depth = np.concatenate(places), np.concatenate(depths)
        order = np.argsort(depth, kind="stable")  # the nearest is written last
        triangle[place[order]] = np.concatenate(owners)[order]
        share[place[order]] = np.concatenate(shares)[order]
    return Seen(triangle.reshape(height, width), share.reshape(height, width, 3))


def _covered(
    corners: Points,
    area: npt.NDArray[np.float32],
    left: npt.NDArray[np.float32],
    top: npt.NDArray[np.float32],
    bound: int,
    shape: tuple[int, int],
) -> tuple[npt.NDArray[np.int64], Points, npt.NDArray[np.int64], Points]:
    """Pixels inside triangles of at most ``bound`` pixels: place, depth, triangle, shares of corners."""
    step = np.arange(bound, dtype=np.float32)
    x = left[:, None, None] + step[None, None, :]
    y = top[:, None, None] + step[None, :, None]
    (ax, ay), (bx, by), (cx, cy) = (corners[:, k, :2].T[:, :, None, None] for k in range(3))
    of_a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area[:, None, None]
    of_b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area[:, None, None]
    of_c = 1 - of_a - of_b
    inside = (of_a >= 0) & (of_b >= 0) & (of_c >= 0) & (x < shape[1]) & (y < shape[0])
    which, row, column = np.nonzero(inside)
    share = np.stack([of_a[inside], of_b[inside], of_c[inside]], 1).astype(np.float32)
    depth = (share * corners[which, :, 2]).sum(1)
    place = (top[which] + row).astype(np.int64) * shape[1] + (left[which] + column).astype(np.int64)
    return place, depth, which, share


def normals(points: Points, triangles: Indices) -> Points:
    """Unit normals of the vertices, float32 [V, 3]: the mean of their triangles', by area."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    summed = np.stack(
        [
            sum(np.bincount(triangles[:, k], faces[:, axis], len(points)) for k in range(3))
            for axis in range(3)
        ],
        1,
    )
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.asarray(summed / np.maximum(length, 1e-9), np.float32)
