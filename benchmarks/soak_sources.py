"""What a soak shows: a camera on the network that can be cut off, and frames from memory."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2

from edge.source import Frame

RATE = 30.0
COUNTED = 500  # frames from memory, after which their count is written for who watches


class Camera(ThreadingHTTPServer):
    """Sends the JPEGs over and over, each in the place of the one before."""

    daemon_threads = True

    def __init__(self, pictures: Sequence[bytes], planned: int) -> None:
        self.pictures, self.planned, self.cuts, self.sent = pictures, planned, 0, 0
        super().__init__(("127.0.0.1", 0), Viewer)
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that has gone is no fault."""


class Viewer(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        began, cuts, index = time.monotonic(), self.server.cuts, 0
        while self.server.cuts == cuts:
            content = self.server.pictures[index % len(self.server.pictures)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            self.wfile.write(head.encode() + content + b"\r\n")
            index += 1
            self.server.sent += 1
            time.sleep(max(0.0, began + index / RATE - time.monotonic()))

    def log_message(self, *given: object) -> None:
        """Nothing: standard error is the benchmark's."""


class FromMemory:
    """So many frames from a few, numbered and timed as a camera's at RATE; fewer where time is ``until``."""

    stills, rate = False, RATE
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, images: Sequence[Any], total: int, count: Path, until: float = math.inf) -> None:
        self.images, self.total, self.count, self.until = images, total, count, until
        self.given = 0

    def frames(self) -> Iterator[Frame]:
        for index in range(self.total):
            if index % COUNTED == 0:
                self.count.write_text(str(index))
                if time.monotonic() > self.until:
                    return
            self.given += 1
            yield Frame("memory", index, index / RATE, self.images[index % len(self.images)])

    def close(self) -> None:
        pass


def narrowed(image: Any, width: int) -> Any:
    """The picture at so many pixels across; 0: as it is."""
    if not width:
        return image
    size = (width, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def read_film(path: Path) -> list[Any]:
    capture = cv2.VideoCapture(str(path))
    images = []
    while (image := capture.read()[1]) is not None:
        images.append(image)
    capture.release()
    return images
