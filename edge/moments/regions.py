"""The parts of a face whose movements are told apart, and where they lie in the crop that is watched."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import CropRule, InputSpec

SIDE = 96  # pixels of the crop
STEP = 4  # of them between two places at which the flow is looked at
GRID = SIDE // STEP
# Wide enough for brows and chin: the eyes are 0.38 of the crop apart.
RULE = CropRule(
    ((0.31, 0.36), (0.69, 0.36), (0.5, 0.57), (0.36, 0.75), (0.64, 0.75)), 1.15, (0.0, 0.035), SIDE
)
SPEC = InputSpec(SIDE, "grey", (0.0,), (255.0,))
EYES = 0.38 * SIDE  # pixels of the crop between the eyes, the unit of all movements

# Middle and half sides, fractions of the crop; right is the person's.
BOXES: dict[str, tuple[float, float, float, float]] = {
    "right brow": (0.29, 0.23, 0.11, 0.06),
    "between the brows": (0.50, 0.25, 0.07, 0.07),
    "left brow": (0.71, 0.23, 0.11, 0.06),
    "right eye": (0.31, 0.36, 0.09, 0.045),
    "left eye": (0.69, 0.36, 0.09, 0.045),
    "nose": (0.50, 0.57, 0.10, 0.06),
    "right mouth corner": (0.35, 0.75, 0.07, 0.08),
    "left mouth corner": (0.65, 0.75, 0.07, 0.08),
    "upper lip": (0.50, 0.69, 0.09, 0.045),
    "lower lip": (0.50, 0.80, 0.09, 0.05),
    "chin": (0.50, 0.91, 0.11, 0.05),
}
REGIONS = tuple(BOXES)
LIDS = tuple(REGIONS.index(name) for name in ("right eye", "left eye"))
# Lids close and eyes look about all the time: they only tell a blink.
SHOWN = tuple(index for index in range(len(REGIONS)) if index not in LIDS)
MOUTH = tuple(
    index for index, name in enumerate(REGIONS) if name.endswith(("corner", "lip")) or name == "chin"
)
Floats = npt.NDArray[np.float32]


def _places() -> tuple[Floats, Floats]:
    """Right and down of each place, fractions of the crop, float32 [GRID * GRID] each."""
    middle = (np.arange(GRID, dtype=np.float32) * STEP + STEP / 2) / SIDE
    down, across = np.meshgrid(middle, middle, indexing="ij")
    return across.ravel().astype(np.float32), down.ravel().astype(np.float32)


def _inside() -> npt.NDArray[np.bool_]:
    """Which places lie in which region, bool [regions, GRID * GRID]."""
    x, y = _places()
    return np.stack([(abs(x - u) <= a) & (abs(y - v) <= b) for u, v, a, b in BOXES.values()])


X, Y = _places()
INSIDE = _inside()
MEAN: Floats = (INSIDE / INSIDE.sum(1, keepdims=True)).astype(np.float32)
# What an expression moves least: the face but for brows, lids, lips and chin.
_MOVING = INSIDE[[index for index, name in enumerate(REGIONS) if name != "nose"]].any(0)
STEADY: npt.NDArray[np.bool_] = (((X - 0.5) / 0.40) ** 2 + ((Y - 0.5) / 0.46) ** 2 < 1) & ~_MOVING
