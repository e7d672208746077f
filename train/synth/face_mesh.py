"""The 468 points of MediaPipe's face mesh on a photograph: what turning and pseudo-labels stand on.

The network (Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019;
Apache-2.0) is not part of ferlite and never runs on a board: it teaches, in training only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge import engine
from edge.engine import EngineOptions, ModelFile
from edge.errors import DataInvalid

Points = npt.NDArray[np.float32]
SIDE, POINTS = 192, 468  # the network's input in pixels, its points
ROOM = 0.125  # of the picture's side, put around it: a tight crop is not what the network was taught on
HALF = np.array([0.5, 0.5, 0], np.float32)
SURE = 0.5  # of its own score
# The mesh's points at iBUG's 68. Measured: for each point of 140 rendered ICT heads, whose 68 are known, the
# mesh point that lay nearest in the median; left and right alike, lids and lips kept on the line that they
# bound.
IBUG = (
    127,
    234,
    177,
    215,
    172,
    150,
    149,
    148,
    152,
    377,
    378,
    379,
    397,
    435,
    401,
    454,
    356,
    70,
    63,
    105,
    66,
    107,
    336,
    296,
    334,
    293,
    300,
    168,
    197,
    195,
    4,
    240,
    97,
    2,
    326,
    460,
    33,
    160,
    158,
    133,
    153,
    144,
    362,
    385,
    387,
    263,
    373,
    380,
    61,
    40,
    37,
    0,
    267,
    270,
    291,
    321,
    405,
    17,
    181,
    91,
    78,
    81,
    13,
    311,
    308,
    402,
    14,
    178,
)


@dataclass(frozen=True)
class FaceMesh:
    """``points`` float32 [468, 3]: x, y in pixels of the picture, z in the same unit, nearer is larger."""

    points: Points
    score: float

    @property
    def landmarks(self) -> Points:
        """iBUG's 68 points, float32 [68, 3]."""
        return self.points[list(IBUG)]


class MeshReader:
    """Reads meshes with the network in ``path`` (face_landmark.tflite).

    Raises DataInvalid for a file that is none, EngineError where ai-edge-litert is not installed.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
        model = ModelFile(path.name, {".tflite": content})
        self._engine = engine.load("tflite", model, EngineOptions(threads=threads))
        shapes = [tensor.shape for tensor in self._engine.inputs]
        if shapes != [(1, SIDE, SIDE, 3)] or len(self._engine.outputs) != 2:
            raise DataInvalid(f"'{path}' is no face mesh: it takes {shapes}, and one takes 1x{SIDE}x{SIDE}x3")

    def __call__(self, picture: npt.NDArray[np.uint8]) -> FaceMesh | None:
        """The mesh of the one face that fills ``picture`` uint8 [H, W] grey; None where it is not sure."""
        height, width = picture.shape
        room = round(ROOM * max(height, width))
        wide = cv2.copyMakeBorder(picture, room, room, room, room, cv2.BORDER_REPLICATE)
        grey = cv2.resize(wide, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        image = np.repeat(grey[None, :, :, None], 3, 3).astype(np.float32) / 255
        by_size = sorted(self._engine.run([image]), key=lambda array: array.size)
        score = float(1 / (1 + np.exp(-by_size[0].ravel()[0])))
        if not score >= SURE:
            return None
        scale = np.array([wide.shape[1] / SIDE, wide.shape[0] / SIDE, -wide.shape[1] / SIDE], np.float32)
        # Middles of pixels lie at whole numbers here, and half a pixel further where the network counts.
        points = (by_size[1].reshape(POINTS, 3) + HALF) * scale - HALF - (room, room, 0)
        return FaceMesh(points.astype(np.float32), score)

    def close(self) -> None:
        """Free the network."""
        self._engine.close()
