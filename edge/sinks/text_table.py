"""A plain table for a terminal of 80 columns: bars for a still, one line a face for a video."""

from __future__ import annotations

from edge.results import FrameReadings
from edge.sink import Target
from edge.sinks.text_file import TextFile
from edge.source import Frame


class TableSink:
    """For eyes: programs are better served by JSON lines or CSV."""

    def __init__(self, target: Target) -> None:
        self._file = TextFile(target.place, target.limit, patient=not target.live)
        self.name = self._file.name

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The frame's readings."""
        text = _still(result) if result.time is None else _moment(result)
        if text:
            self._file.write(text)

    def close(self) -> None:
        """Close the file, if it is one."""
        self._file.close()


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
