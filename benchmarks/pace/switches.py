"""How soon a changed expression is seen: clips in which one face is replaced by another at known moments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import cv2
import numpy as np

from benchmarks.pace.agreement import Loop, Readings
from benchmarks.peers import clips
from edge.align import similarity
from edge.detect import Detector
from edge.results import Landmarks

RATE, HOLD, TURNS = 25.0, 50, 4  # frames a second; frames of one face; times that it is replaced
MOST_LATE = 25  # frames: what is named later was not seen


def pairs(pictures: Sequence[Any], detector: Detector) -> list[tuple[Any, Any]]:
    """Each picture, and it with the largest face of another one put onto its own, landmark on landmark."""
    faces = []
    for picture in pictures:
        scene = clips.fitted(picture, clips.WIDTH + 2 * clips.MARGIN, clips.HEIGHT + 2 * clips.MARGIN)
        found = max(detector(scene), key=lambda face: face.box.area, default=None)
        if found is not None and found.landmarks is not None:
            faces.append((scene, found.landmarks))
    return [(a, _put(a, there, b, here)) for (a, there), (b, here) in combinations(faces, 2)]


def _put(scene: Any, there: Landmarks, other: Any, here: Landmarks) -> Any:
    matrix = similarity(here, there)
    height, width = scene.shape[:2]
    warped = cv2.warpAffine(other, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    middle = np.mean(there, axis=0)
    apart = float(np.hypot(*(np.array(there[0]) - there[1])))
    mask = np.zeros((height, width), np.float32)
    centre = (int(middle[0]), int(middle[1]))
    cv2.ellipse(mask, centre, (int(1.3 * apart), int(1.7 * apart)), 0, 0, 360, (1.0,), -1)
    soft = cv2.GaussianBlur(mask, (0, 0), apart / 8)[..., None]
    return (scene * (1 - soft) + warped * soft).astype(np.uint8)


def clip(pair: tuple[Any, Any]) -> list[Any]:
    """The frames of a shaky, flickering, noisy camera before which the face is replaced."""
    shots = zip(*(clips.shots(scene, HOLD * (TURNS + 1)) for scene in pair), strict=True)
    return [both[index // HOLD % 2] for index, both in enumerate(shots)]


def delays(every: Loop, paced: Loop, pair: tuple[Any, Any]) -> list[dict[str, Any]]:
    """For each replacement, after how many milliseconds either loop named what both name in the end.

    Replacements after which the reading of every frame names nothing else do not count.
    """
    frames = clip(pair)
    wanted, got = (loop.read(frames, RATE)[0] for loop in (every, paced))
    found = []
    for turn in range(1, TURNS + 1):
        at = turn * HOLD
        before, after = _name(wanted, at - 1), _name(wanted, at + HOLD - 1)
        if before != after and after:
            first, second = (_late(readings, at, after) for readings in (wanted, got))
            found.append({"from": before, "to": after, "every_ms": first, "paced_ms": second})
    return found


def _name(readings: Readings, frame: int) -> str:
    return readings[frame][0].expression if readings[frame] else ""


def _late(readings: Readings, at: int, name: str) -> float | None:
    for late in range(MOST_LATE):
        if _name(readings, at + late) == name:
            return round(1000 * late / RATE, 1)
    return None
