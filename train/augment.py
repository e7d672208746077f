"""Random changes to a batch of training faces: geometry in one resampling, then light, noise and holes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.bundle_files.sections import PrepareStep
from edge.prepare import prepare
from train.recipe import AugmentRecipe


def augment_moving(
    faces: torch.Tensor, points: npt.NDArray[np.float32], size: int, recipe: AugmentRecipe
) -> tuple[torch.Tensor, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """``augment``, where ``points`` [N, P, 2] (fractions of the picture) then lie, and what is mirrored."""
    x, theta = _changed(faces, size, recipe)
    matrix, shift = theta[:, :, :2], theta[:, :, 2:]
    # The grid says where a pixel of the new picture comes from: its inverse says where a point goes.
    before = torch.from_numpy(points).transpose(1, 2) * 2 - 1
    after = torch.linalg.solve(matrix, before - shift)
    moved = ((after + 1) / 2).transpose(1, 2).numpy().astype(np.float32)
    return x, moved, (torch.linalg.det(matrix) < 0).numpy()


def augment(faces: torch.Tensor, size: int, recipe: AugmentRecipe) -> torch.Tensor:
    """Uint8 ``[N, H, W]`` to changed float32 ``[N, 1, size, size]``, still in grey levels 0-255.

    Draws from torch's global generator: the caller seeds it per step, so a resumed run sees the same faces.
    """
    return _changed(faces, size, recipe)[0]


def _changed(faces: torch.Tensor, size: int, recipe: AugmentRecipe) -> tuple[torch.Tensor, torch.Tensor]:
    """See ``augment``; and the warp's matrices [N, 2, 3], as ``affine_grid`` takes them."""
    if recipe.jpeg or recipe.motion:
        faces = _seen_by_a_camera(faces, recipe)
    x = faces.unsqueeze(1).float()
    if recipe.blur:
        x = _blur(x, recipe.blur)
    x, theta = _warp(x, size, recipe)
    if recipe.light:
        x = _light(x, recipe.light)
    if recipe.noise:
        grain = _grain(x, faces.shape[-1])
        x = x + grain * (torch.rand(len(x), 1, 1, 1) ** 2 * recipe.noise)
    if recipe.erase:
        x = _erase(x, recipe.erase)
    return x.clamp_(0, 255), theta


def _grain(x: torch.Tensor, side: int) -> torch.Tensor:
    """Noise of deviation 1 for pictures [N, 1, S, S] that were enlarged from ``side`` pixels, as theirs was.

    A sensor's noise is in the pixels that it took: drawn in those of an enlarged picture it is finer than
    any that a camera makes of a small face, and teaches little about it.
    """
    if side >= x.shape[-1]:
        return torch.randn_like(x)
    return F.interpolate(torch.randn(len(x), 1, side, side), x.shape[-2:], mode="bilinear")


def prepared(x: torch.Tensor, steps: Sequence[PrepareStep]) -> torch.Tensor:
    """Grey levels float32 [N, 1, S, S] after the runtime's own ``steps``, which take whole levels."""
    if not steps:
        return x
    levels = x.round().to(torch.uint8).squeeze(1).numpy()
    return torch.from_numpy(np.stack([prepare(face, steps) for face in levels])).unsqueeze(1).float()


def mixup(x: torch.Tensor, y: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend each face and target with another of the batch (Zhang et al., 2018); alpha 0 changes nothing."""
    if alpha == 0:
        return x, y
    share = torch.distributions.Beta(alpha, alpha).sample((len(x),))
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(x))
    on_x = share.view(-1, 1, 1, 1)
    return x * on_x + x[other] * (1 - on_x), y * share[:, None] + y[other] * (1 - share[:, None])


def cutmix(x: torch.Tensor, y: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the faces a rectangle of other faces, and their targets its share (Yun et al., ICCV 2019).

    ``x`` float32 [N, 1, S, S], ``y`` [N, C]. The rectangle's area is 1 - Beta(alpha, alpha), one for all.
    """
    size = x.shape[-1]
    kept = float(torch.distributions.Beta(alpha, alpha).sample())
    side = round(size * math.sqrt(1 - kept))
    top, left = (int(torch.randint(0, size - side + 1, ())) for _ in range(2))
    other = torch.randperm(len(x))
    mixed = x.clone()
    mixed[:, :, top : top + side, left : left + side] = x[other, :, top : top + side, left : left + side]
    kept = 1 - side * side / (size * size)
    return mixed, y * kept + y[other] * (1 - kept)


def _uniform(count: int, reach: float) -> torch.Tensor:
    return (torch.rand(count) * 2 - 1) * reach


def _warp(x: torch.Tensor, size: int, recipe: AugmentRecipe) -> tuple[torch.Tensor, torch.Tensor]:
    count = len(x)
    angle = _uniform(count, math.radians(recipe.rotate))
    zoom = torch.exp(_uniform(count, recipe.scale))
    stretch = torch.exp(_uniform(count, recipe.scale / 2))
    shear = _uniform(count, recipe.shear)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0) if recipe.flip else torch.ones(count)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = zoom * stretch * torch.cos(angle) * mirror
    theta[:, 0, 1] = zoom * (shear - torch.sin(angle))
    theta[:, 1, 0] = zoom * torch.sin(angle) * mirror
    theta[:, 1, 1] = zoom / stretch * torch.cos(angle)
    theta[:, :, 2] = torch.stack([_uniform(count, 2 * recipe.shift), _uniform(count, 2 * recipe.shift)], 1)
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    # Out-of-picture pixels are black half of the time: at the edge of a frame the runtime sees just that.
    black = torch.rand(()) < 0.5
    how = "zeros" if black else "border"
    return F.grid_sample(x, grid, padding_mode=how, align_corners=False), theta


def _light(x: torch.Tensor, reach: float) -> torch.Tensor:
    count = len(x)
    gain = torch.exp(_uniform(count, reach)).view(-1, 1, 1, 1)
    contrast = torch.exp(_uniform(count, reach)).view(-1, 1, 1, 1)
    gamma = torch.exp(_uniform(count, reach)).view(-1, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = ((x - mean) * contrast + mean) * gain
    return (x.clamp(0, 255) / 255) ** gamma * 255


def _blur(x: torch.Tensor, probability: float) -> torch.Tensor:
    """Shrink some faces to 16-40 pixels and back: what a distant face looks like."""
    side = int(torch.randint(16, 41, ()))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    back = F.interpolate(small, size=x.shape[-2:], mode="bilinear")
    return torch.where(torch.rand(len(x), 1, 1, 1) < probability, back, x)


def _seen_by_a_camera(faces: torch.Tensor, recipe: AugmentRecipe) -> torch.Tensor:
    """Some of the faces uint8 [N, H, W] coded as JPEG at quality 10-49, others moved while exposed."""
    seen = faces.numpy().copy()
    drawn = torch.rand(len(seen), 3)
    for face, (chance, strength, direction) in zip(seen, drawn.tolist(), strict=True):
        if chance < recipe.jpeg:
            _, coded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 10 + int(40 * strength)])
            face[:] = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        elif chance < recipe.jpeg + recipe.motion:
            reach = 2 + int(strength * (face.shape[1] / 12 - 1))
            moved = _line(reach, math.pi * direction)
            face[:] = cv2.filter2D(face, -1, moved, borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(seen)


def _line(reach: int, angle: float) -> npt.NDArray[np.float32]:
    """The kernel [2 * reach + 1] ** 2 of a movement by 4 / 3 of ``reach`` pixels at an ``angle``."""
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    x, y = reach * math.cos(angle) / 1.5, reach * math.sin(angle) / 1.5
    cv2.line(kernel, (round(reach - x), round(reach - y)), (round(reach + x), round(reach + y)), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _erase(x: torch.Tensor, probability: float) -> torch.Tensor:
    """Paint a rectangle of 5-25 % of some faces in a random grey (Zhong et al., 2020)."""
    count, _, rows, columns = x.shape
    area = (torch.rand(count) * 0.20 + 0.05) * rows * columns
    ratio = torch.exp(_uniform(count, 0.7))
    high, wide = (area * ratio).sqrt(), (area / ratio).sqrt()
    top, left = torch.rand(count) * (rows - high), torch.rand(count) * (columns - wide)
    y, z = torch.arange(rows).view(1, -1, 1), torch.arange(columns).view(1, 1, -1)
    top, left, high, wide = (value.view(-1, 1, 1) for value in (top, left, high, wide))
    hole = (y >= top) & (y < top + high) & (z >= left) & (z < left + wide)
    hole = hole & (torch.rand(count, 1, 1) < probability)
    return torch.where(hole.unsqueeze(1), torch.rand(count, 1, 1, 1) * 255, x)
