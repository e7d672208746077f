"""mediapipe's short-range face detector: faces only."""

from __future__ import annotations

import cv2
import mediapipe
from loop import serve

detector = mediapipe.solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5)


def read(frame, index):
    """The faces of one frame."""
    high, wide = frame.shape[:2]
    found = detector.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).detections or []
    boxes = [each.location_data.relative_bounding_box for each in found]
    return [(box.xmin * wide, box.ymin * high, box.width * wide, box.height * high, None) for box in boxes]


serve(read)
