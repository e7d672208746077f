"""Pictures with the overlay: one file, or a folder with one for each still."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.errors import FrameNotSaved, SinkError
from edge.files import reason, write_bytes
from edge.results import FrameReadings
from edge.sink import Target
from edge.sinks.overlay import annotated
from edge.source import Frame

# What holds colour and OpenCV writes well; a picture of another kind is saved as .png.
COLOUR = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


class PictureSink:
    """A picture that cannot be saved is FrameNotSaved: the others of the folder still may be."""

    def __init__(self, target: Target) -> None:
        self._place, self._privacy, self._single = Path(target.place), target.privacy, target.single
        self._names: set[str] = set()
        self.name = f"'{self._place}'"
        if self._single and self._place.suffix.lower() not in COLOUR:
            raise SinkError(f"cannot save a picture as '{self._place}': end its name in {', '.join(COLOUR)}")
        folder = self._place.parent if self._single else self._place
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make folder '{folder}': {reason(error)}") from error

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One picture, there whole or not at all."""
        path = self._place if self._single else self._place / self._name(Path(frame.source))
        try:
            good, encoded = cv2.imencode(path.suffix, annotated(frame.image, result.readings, self._privacy))
        except cv2.error as error:
            raise FrameNotSaved(f"cannot save '{path}': it is too large for {path.suffix}") from error
        if not good:
            raise FrameNotSaved(f"cannot save '{path}': OpenCV cannot write {path.suffix}")
        write_bytes(path, encoded.tobytes(), FrameNotSaved)

    def _name(self, source: Path) -> str:
        suffix = source.suffix if source.suffix.lower() in COLOUR else ".png"
        name, number = f"{source.stem}{suffix}", 1
        while name in self._names:  # two folders may hold a picture of the same name
            number += 1
            name = f"{source.stem}-{number}{suffix}"
        self._names.add(name)
        return name

    def close(self) -> None:
        """Nothing to release."""
