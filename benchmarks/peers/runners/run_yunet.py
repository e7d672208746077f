"""YuNet in OpenCV, at the frame's own size: faces only. Arguments are the model's file, threads."""

from __future__ import annotations

import sys

import cv2
from loop import serve

cv2.setNumThreads(int(sys.argv[2]))
detector = cv2.FaceDetectorYN.create(sys.argv[1], "", (640, 480), 0.6, 0.3)


def read(frame, index):
    """The faces of one frame."""
    rows = detector.detect(frame)[1]
    return [(*row[:4], None) for row in rows] if rows is not None else []


serve(read)
