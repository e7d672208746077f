"""The fer package with its own Haar cascade and its own network, as its README shows."""

from __future__ import annotations

import sys

import cv2
from fer.fer import FER
from loop import serve

cv2.setNumThreads(int(sys.argv[1]))
detector = FER(mtcnn=False)


def read(frame, index):
    """The faces of one frame."""
    return [
        (*map(float, face["box"]), max(face["emotions"], key=face["emotions"].get))
        for face in detector.detect_emotions(frame)
    ]


serve(read)
