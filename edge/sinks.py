"""Where readings go: a table for eyes, JSON lines and CSV for programs, pictures with an overlay."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol, TextIO

import cv2

from edge.errors import SinkError
from edge.images import SUFFIXES
from edge.overlay import draw, hide_faces
from edge.results import FrameReadings, Reading
from edge.source import Frame

JSON_SCHEMA = 1
VIDEO_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "MJPG"}


class Sink(Protocol):
    """Takes each frame's readings."""

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame. Raises SinkError."""
        ...

    def close(self) -> None:
        """Finish and release the output."""
        ...


def as_json(result: FrameReadings) -> dict[str, Any]:
    """One frame as docs/json-lines.md describes it (schema 1)."""
    return {
        "schema": JSON_SCHEMA,
        "source": result.source,
        "frame": result.index,
        "time": None if result.time is None else round(result.time, 4),
        "width": result.width,
        "height": result.height,
        "faces": [_face_as_json(reading) for reading in result.readings],
    }


def _face_as_json(reading: Reading) -> dict[str, Any]:
    face, box = reading.face, reading.face.box
    points = face.landmarks
    return {
        "box": [round(value, 1) for value in (box.x, box.y, box.width, box.height)],
        "score": None if face.score is None else round(face.score, 4),
        "landmarks": points and [[round(x, 1), round(y, 1)] for x, y in points],
        "track": reading.track,
        "label": reading.label,
        "expression": reading.expression,
        "weights": {name: round(weight, 4) for name, weight in reading.weights.items()},
        "doubts": list(reading.doubts),
    }


class JsonLinesSink:
    """One JSON object a frame and line, sent on at once."""

    def __init__(self, target: str) -> None:
        self._file, self._owned = _open_text(target)

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One line."""
        _write_text(self._file, json.dumps(as_json(result), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file, if it is one."""
        _close_text(self._file, self._owned)


class CsvSink:
    """One row a face, weights in columns named after the expressions."""

    def __init__(self, target: str, labels: tuple[str, ...]) -> None:
        self._file, self._owned = _open_text(target)
        self._labels = labels
        self._writer = csv.writer(self._file, lineterminator="\n")
        columns = ["source", "frame", "time", "face", "track", "x", "y", "width", "height", "score"]
        self._writer.writerow([*columns, "label", "expression", *labels, "doubts"])

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The frame's rows; none where it has no face."""
        table = as_json(result)
        for number, face in enumerate(table["faces"]):
            place = [table["source"], table["frame"], table["time"], number, face["track"]]
            weights = [face["weights"][label] for label in self._labels]
            row = [*place, *face["box"], face["score"], face["label"], face["expression"], *weights]
            try:
                self._writer.writerow([*row, "; ".join(face["doubts"])])
            except BrokenPipeError:
                raise
            except OSError as error:
                raise SinkError(f"cannot write the CSV: {error.strerror}") from error

    def close(self) -> None:
        """Close the file, if it is one."""
        _close_text(self._file, self._owned)


class TableSink:
    """A plain table for a terminal of 80 columns: bars for a still, one line a face for a video."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The frame's readings."""
        _write_text(self._stream, _still(result) if result.time is None else _moment(result))

    def close(self) -> None:
        """Nothing to release."""


def _still(result: FrameReadings) -> str:
    count = len(result.readings)
    faces = {0: "no face", 1: "1 face"}.get(count, f"{count} faces")
    lines = [f"{result.source}  {result.width} x {result.height}  {faces}"]
    for number, reading in enumerate(result.readings, 1):
        box, score = reading.face.box, reading.face.score
        where = f"box {box.x:.0f},{box.y:.0f} {box.width:.0f}x{box.height:.0f}"
        certainty = "" if score is None else f"  score {score:.2f}"
        lines.append(f"  face {number}  {where}{certainty}  {reading.label}")
        lines += [f"    because: {reason}" for reason in reading.doubts]
        for name, weight in reading.weights.items():
            lines.append(f"    {name:<10.10}  {weight:4.2f}  {'#' * round(40 * weight)}".rstrip())
    return "\n".join(lines) + "\n"


def _moment(result: FrameReadings) -> str:
    lines = []
    for reading in result.readings:
        weights = " ".join(
            f"{name[:3]} {weight:.2f}"[:8].replace("0.", ".") for name, weight in reading.weights.items()
        )
        lines.append(f"{result.time:8.2f}s #{reading.track or 0:<2} {reading.label:<9.9} {weights}\n")
    return "".join(lines)


class PictureSink:
    """Pictures with the overlay: one file, or a folder with one for each still."""

    def __init__(self, target: Path, privacy: bool = False, single: bool = False) -> None:
        self._target, self._privacy, self._single = target, privacy, single
        self._names: set[str] = set()
        if single and target.suffix.lower() not in SUFFIXES:
            raise SinkError(f"cannot save a picture as '{target}': end its name in {', '.join(SUFFIXES[:4])}")
        folder = target.parent if single else target
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make folder '{folder}': {error.strerror}") from error

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One picture, there whole or not at all."""
        path = self._target if self._single else self._target / self._name(Path(frame.source))
        suffix = path.suffix if path.suffix.lower() in SUFFIXES else ".png"
        good, encoded = cv2.imencode(suffix, _picture(frame, result, self._privacy))
        part = path.with_name(path.name + ".part")
        try:
            if not good:
                raise SinkError(f"cannot save '{path}': OpenCV cannot write {suffix}")
            part.write_bytes(encoded.tobytes())
            part.replace(path)
        except SinkError:
            raise
        except OSError as error:
            part.unlink(missing_ok=True)
            raise SinkError(f"cannot write '{path}': {error.strerror}") from error

    def _name(self, source: Path) -> str:
        name, number = source.name, 1
        while name in self._names:  # two folders may hold a picture of the same name
            number += 1
            name = f"{source.stem}-{number}{source.suffix}"
        self._names.add(name)
        return name

    def close(self) -> None:
        """Nothing to release."""


class VideoSink:
    """A video with the overlay: .mp4, .avi or .mkv."""

    def __init__(self, target: Path, rate: float, privacy: bool = False) -> None:
        if target.suffix.lower() not in VIDEO_CODECS:
            raise SinkError(f"cannot save video as '{target}': end its name in {', '.join(VIDEO_CODECS)}")
        if not target.parent.is_dir():
            raise SinkError(f"cannot write '{target}': there is no folder '{target.parent}'")
        self._target, self._rate, self._privacy = target, rate or 25.0, privacy
        self._part = target.with_name(f"{target.stem}.part{target.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame; the first sets the video's size."""
        picture = _picture(frame, result, self._privacy)
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            codec = cv2.VideoWriter.fourcc(*VIDEO_CODECS[self._target.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self._part), codec, self._rate, self._size)
            if not self._writer.isOpened():
                raise SinkError(f"cannot write '{self._target}'")
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture)

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            if not self._part.exists() or self._part.stat().st_size == 0:
                raise SinkError(f"cannot write '{self._target}'")
            self._part.replace(self._target)


def _picture(frame: Frame, result: FrameReadings, privacy: bool) -> Any:
    image = hide_faces(frame.image, result.readings) if privacy else frame.image
    return draw(image, result.readings)


def _open_text(target: str) -> tuple[TextIO, bool]:
    if target == "-":
        return sys.stdout, False
    try:
        return Path(target).open("w", encoding="utf-8", newline=""), True
    except OSError as error:
        raise SinkError(f"cannot write '{target}': {error.strerror}") from error


def _write_text(file: TextIO, text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SinkError(f"cannot write to '{file.name}': {os.strerror(error.errno or 0)}") from error


def _close_text(file: TextIO, owned: bool) -> None:
    if owned:
        file.close()
