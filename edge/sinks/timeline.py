"""What --moments spotted over a whole run, as one picture: .svg or .png."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.errors import SinkError
from edge.files import write_bytes
from edge.results import FrameReadings, Moment
from edge.sinks.overlay import FONT
from edge.sinks.strip import HIGHEST, label_of
from edge.source import Frame

WIDTH, LEFT, RIGHT, ROW, GAP, TOP, FOOT = 1000, 64, 16, 90, 34, 30, 40  # pixels
MOST_POINTS, MOST_ROWS = 4000, 12
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600)  # seconds
INK, PALE, LINE = (40, 40, 40), (225, 225, 225), (150, 90, 30)  # BGR
MICRO, DOUBTED, MACRO = (90, 170, 60), (50, 150, 240), (190, 190, 190)
LETTER = 6.2  # pixels that a letter of 11 takes
Colour = tuple[int, int, int]
Place = Callable[[float], float]  # seconds to pixels from the left


@dataclass
class Shapes:
    """A drawing: rectangles (x, y, wide, high), lines of points and texts (x, y, words, anchor)."""

    height: int
    boxes: list[tuple[float, float, float, float, Colour]] = field(default_factory=list)
    lines: list[tuple[list[tuple[float, float]], Colour]] = field(default_factory=list)
    texts: list[tuple[float, float, str, str]] = field(default_factory=list)

    def svg(self) -> str:
        """The drawing as SVG, on white."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" font-family="sans-serif" font-size="11">',
            f'<rect width="{WIDTH}" height="{self.height}" fill="#fff"/>',
        ]
        for x, y, wide, high, colour in self.boxes:
            place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
            parts.append(f'<rect {place} fill="{_hex(colour)}"/>')
        for points, colour in self.lines:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{_hex(colour)}"/>')
        for x, y, words, anchor in self.texts:
            safe = html.escape(words)
            parts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_hex(INK)}">{safe}</text>'
            )
        return "\n".join([*parts, "</svg>", ""])

    def png(self) -> bytes:
        """The drawing as PNG. Raises SinkError."""
        picture = np.full((self.height, WIDTH, 3), 255, np.uint8)
        for x, y, wide, high, colour in self.boxes:
            corner, opposite = (round(x), round(y)), (round(x + max(1, wide)), round(y + max(1, high)))
            cv2.rectangle(picture, corner, opposite, colour, -1)
        for points, colour in self.lines:
            cv2.polylines(picture, [np.array(points).round().astype(np.int32)], False, colour, 1, cv2.LINE_AA)
        for x, y, words, anchor in self.texts:
            wide = cv2.getTextSize(words, FONT, 0.36, 1)[0][0]
            left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
            cv2.putText(picture, words, (round(left), round(y)), FONT, 0.36, INK, 1, cv2.LINE_AA)
        done, coded = cv2.imencode(".png", picture)
        if not done:
            raise SinkError("OpenCV could not encode the timeline")
        return bytes(coded.tobytes())


@dataclass
class _Track:
    points: list[tuple[float, float]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    joined: int = 1  # frames that one point stands for
    pending: list[tuple[float, float]] = field(default_factory=list)

    def add(self, time: float, height: float) -> None:
        """One more frame's; the highest of those that a point stands for is kept."""
        self.pending.append((time, height))
        if len(self.pending) < self.joined:
            return
        self.points.append(max(self.pending, key=lambda point: point[1]))
        self.pending = []
        if len(self.points) > MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [max(pair, key=lambda point: point[1]) for pair in pairs]
            self.joined *= 2


class TimelineSink:
    """Takes readings, and draws the picture when it is closed. See ``edge.sink.Sink``.

    A row for each face, MOST_ROWS at most: those with most to tell. Each source begins rows of its own.
    """

    def __init__(self, place: Path) -> None:
        self._place, self.name = place, f"'{place}'"
        self._tracks: dict[tuple[str, int], _Track] = {}
        self._open = True

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame; what it told is kept, and no picture of it."""
        if result.moments is None or result.time is None:
            return
        for reading, height in zip(result.readings, result.motion, strict=True):
            if height is not None:
                self._track(result.source, reading.track).add(result.time, height)
        for moment in result.moments:
            self._track(result.source, moment.track).moments.append(moment)

    def close(self) -> None:
        """Draw and write the file. Raises SinkError and StorageFailed."""
        if not self._open:
            return
        self._open = False
        shapes = drawn(self._tracks)
        content = shapes.svg().encode() if self._place.suffix.lower() == ".svg" else shapes.png()
        write_bytes(self._place, content)

    def _track(self, source: str, track: int | None) -> _Track:
        return self._tracks.setdefault((source, track or 0), _Track())


def drawn(tracks: dict[tuple[str, int], _Track]) -> Shapes:
    """The whole picture."""
    order = sorted(tracks, key=lambda key: (-len(tracks[key].moments), -len(tracks[key].points)))[:MOST_ROWS]
    shown = [key for key in tracks if key in order]
    shapes = Shapes(TOP + max(1, len(shown)) * (ROW + GAP) + FOOT)
    _legend(shapes)
    times = [time for key in shown for time, _ in tracks[key].points]
    if not times:
        shapes.texts.append((WIDTH / 2, TOP + ROW / 2, "no face was followed for long enough", "middle"))
        return shapes
    begin, end = min(times), max(*times, min(times) + 0.1)

    def across(time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (min(end, max(begin, time)) - begin) / (end - begin)

    several = len({source for source, _ in shown}) > 1
    for row, key in enumerate(shown):
        top = TOP + GAP + row * (ROW + GAP)
        name = f"#{key[1]} {key[0]}" if several else f"face #{key[1]}"
        _row(shapes, tracks[key], top, name, across)
    _axis(shapes, begin, end, across, TOP + len(shown) * (ROW + GAP))
    return shapes


def _legend(shapes: Shapes) -> None:
    x = float(LEFT)
    for words, colour in (("micro", MICRO), ("micro, doubted", DOUBTED), ("longer", MACRO)):
        shapes.boxes.append((x, 9, 10, 10, colour))
        shapes.texts.append((x + 15, 18, words, "start"))
        x += 30 + LETTER * len(words)
    words = "line: motion, in times of what the face strays at rest"
    shapes.texts.append((x, 18, words, "start"))


def _row(shapes: Shapes, track: _Track, top: float, name: str, place: Place) -> None:
    foot = top + ROW
    for level in (0, 20, HIGHEST):
        y = foot - ROW * level / HIGHEST
        shapes.boxes.append((LEFT, y, WIDTH - LEFT - RIGHT, 0.8, PALE))
        shapes.texts.append((LEFT - 6, y + 4, f"{level:.0f}", "end"))
    shapes.texts.append((4, top - 8, name, "start"))
    free = 4 + LETTER * (len(name) + 2)
    for moment in sorted(track.moments, key=lambda each: each.onset):
        colour = MACRO if moment.kind != "micro" else DOUBTED if moment.doubts else MICRO
        left, right = place(moment.onset), place(moment.offset)
        shapes.boxes.append((left, top, max(1.5, right - left), ROW, colour))
        words = label_of(moment)
        if moment.kind == "micro" and left >= free and left + LETTER * len(words) < WIDTH:
            shapes.texts.append((left, top - 8, words, "start"))
            free = left + LETTER * (len(words) + 1)
    pieces: list[list[tuple[float, float]]] = [[]]
    last = None
    for time, height in track.points:
        if last is not None and time - last > 1.0:
            pieces.append([])
        pieces[-1].append((place(time), foot - ROW * min(1.0, height / HIGHEST)))
        last = time
    shapes.lines += [(piece, LINE) for piece in pieces if len(piece) > 1]


def _axis(shapes: Shapes, begin: float, end: float, place: Place, y: float) -> None:
    step = next((tick for tick in TICKS if (end - begin) / tick <= 12), TICKS[-1])
    first = int(np.ceil(begin / step - 1e-9))
    ticks: Sequence[float] = [index * step for index in range(first, int(end / step + 1e-9) + 1)]
    for tick in ticks:
        shapes.boxes.append((place(tick), y, 0.8, 4, INK))
        shapes.texts.append((place(tick), y + 16, f"{tick:g}", "middle"))
    shapes.texts.append((WIDTH / 2, y + 32, "seconds", "middle"))


def _hex(colour: Colour) -> str:
    blue, green, red = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
