"""CSV: a row a face, weights in columns named after the expressions."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from edge.results import FrameReadings
from edge.sink import Target
from edge.sinks.json_lines import as_json
from edge.sinks.text_file import TextFile
from edge.source import Frame

BEFORE = (
    "source",
    "frame",
    "time",
    "face",
    "track",
    "x",
    "y",
    "width",
    "height",
    "score",
    "label",
    "expression",
)


class CsvSink:
    """One row a face; a picture without one has a row that says so, with nothing after its name."""

    def __init__(self, target: Target) -> None:
        self._labels = target.labels
        head = _row((*BEFORE, *target.labels, "doubts"))
        self._file = TextFile(target.place, target.limit, head, patient=not target.live)
        self.name = self._file.name

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The frame's rows; none for a video's frame without a face."""
        table = as_json(result)
        place = [table["source"], table["frame"], table["time"]]
        rows = []
        for number, face in enumerate(table["faces"]):
            weights = [face["weights"][label] for label in self._labels]
            named = [face["label"], face["expression"], *weights, "; ".join(face["doubts"])]
            rows.append([*place, number, face["track"], *face["box"], face["score"], *named])
        if not rows and result.time is None:
            rows = [[*place, *[""] * (len(BEFORE) - len(place) + len(self._labels) + 1)]]
        if rows:
            self._file.write("".join(map(_row, rows)))

    def close(self) -> None:
        """Close the file, if it is one."""
        self._file.close()


def _row(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
