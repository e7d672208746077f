"""A face of 68 points drawn with a compass: for what needs a face's layout and no face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def landmarks(side: int = 96) -> npt.NDArray[np.float32]:
    """iBUG's 68 points of a face that fills a picture of ``side`` pixels, float32 [68, 2]."""
    jaw = ring((0.5, 0.45), 0.36, 0.47, np.linspace(180, 0, 17))
    brows = [arc(0.22, 0.42, 0.3), arc(0.58, 0.78, 0.3)]
    nose = [(0.5, y) for y in (0.4, 0.46, 0.52, 0.58)] + [(x, 0.62) for x in (0.42, 0.46, 0.5, 0.54, 0.58)]
    around = np.array([180, 240, 300, 0, 60, 120])
    eyes = [ring((x, 0.4), 0.07, 0.03, around) for x in (0.33, 0.67)]
    lips = ring((0.5, 0.75), 0.14, 0.06, np.array([180, 210, 240, 270, 300, 330, 0, 30, 60, 90, 120, 150]))
    inner = ring((0.5, 0.75), 0.1, 0.02, np.array([180, 225, 270, 315, 0, 45, 90, 135]))
    return (np.concatenate([jaw, *brows, np.array(nose), *eyes, lips, inner]) * side).astype(np.float32)


def ring(
    middle: tuple[float, float], wide: float, high: float, degrees: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Points of an ellipse; 0 degrees is right, 90 down."""
    angle = np.radians(degrees)
    return np.stack([middle[0] + wide * np.cos(angle), middle[1] + high * np.sin(angle)], 1)


def arc(left: float, right: float, top: float) -> npt.NDArray[np.float64]:
    """Five points of a brow."""
    x = np.linspace(left, right, 5)
    return np.stack([x, top - 0.03 * np.sin(np.pi * (x - left) / (right - left))], 1)
