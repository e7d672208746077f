"""The sources. To add one: a file beside this and a line here, before those that would claim its names.

Each module has ``claims(spec)`` and ``source(spec)`` (edge/source.py). The last one claims everything.
"""

SOURCES = {
    "picamera2": "edge.sources.picamera",
    "camera": "edge.sources.camera",
    "stream": "edge.sources.stream",
    "gstreamer": "edge.sources.gstreamer",
    "pictures": "edge.sources.pictures",
    "pipe": "edge.sources.pipe",
    "video": "edge.sources.video",
}
