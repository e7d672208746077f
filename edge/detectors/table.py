"""The detectors. To add one: a file beside this and a line here, at the place ``auto`` should try it."""

DETECTORS = {
    "yunet": "edge.detectors.yunet:YunetDetector",
    "haar": "edge.detectors.haar:HaarDetector",
}
