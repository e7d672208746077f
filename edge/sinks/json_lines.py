"""JSON lines: one object a frame, as docs/json-lines.md describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge.results import FrameReadings, Moment, Reading, VoiceReading
from edge.sink import Target
from edge.sinks.text_file import TextFile
from edge.source import Frame

JSON_SCHEMA = 1
BEGIN = b'{"schema": '  # of every line, as ``as_json`` has it


class JsonLinesSink:
    """One JSON object a frame and line, sent on at once."""

    def __init__(self, target: Target) -> None:
        self._file = TextFile(target.place, target.limit, half=is_half, patient=not target.live)
        self.name = self._file.name

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One line."""
        self._file.write(as_line(result))

    def close(self) -> None:
        """Close the file, if it is one."""
        self._file.close()


def as_line(result: FrameReadings) -> str:
    """The frame's line. A name that is not UTF-8 has its odd bytes as escapes, which Python reads back."""
    return line_of(as_json(result))


def line_of(table: Mapping[str, Any]) -> str:
    """``as_line`` for a frame that is JSON-ready."""
    line = json.dumps(table, ensure_ascii=False)
    return (line if line.isascii() or _encodes(line) else json.dumps(table)) + "\n"


def is_half(tail: bytes) -> bool:
    """Whether a file's last line, which has no end, is one of these that was cut short."""
    if tail[: len(BEGIN)] != BEGIN[: len(tail)]:
        return False
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return True
    return False


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_json(result: FrameReadings) -> dict[str, Any]:
    """One frame as docs/json-lines.md describes it (schema 1)."""
    table: dict[str, Any] = {
        "schema": JSON_SCHEMA,
        "source": result.source,
        "frame": result.index,
        "time": None if result.time is None else round(result.time, 4),
        "width": result.width,
        "height": result.height,
        "latency_ms": None if result.latency is None else round(1000 * result.latency, 2),
        "faces": [_face_as_json(reading) for reading in result.readings],
    }
    if result.voice is not None:
        table["voice"] = _voice_as_json(result.voice)
    if result.moments is not None:
        table["moments"] = [moment_as_json(moment) for moment in result.moments]
        table["motion"] = [None if height is None else round(height, 2) for height in result.motion]
    return table


def moment_as_json(moment: Moment) -> dict[str, Any]:
    """One movement as docs/json-lines.md describes it."""
    return {
        "kind": moment.kind,
        "track": moment.track,
        "onset": round(moment.onset, 4),
        "apex": round(moment.apex, 4),
        "offset": round(moment.offset, 4),
        "regions": list(moment.regions),
        "tone": moment.tone,
        "expression": moment.expression,
        "rises": {name: round(rise, 4) for name, rise in moment.rises.items()},
        "doubts": list(moment.doubts),
    }


def _voice_as_json(voice: VoiceReading) -> dict[str, Any]:
    return {
        "presence": round(voice.presence, 4),
        "loudness_db": round(voice.loudness, 1),
        "weights": {name: round(weight, 4) for name, weight in voice.weights.items()},
        "fused": voice.fused,
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
