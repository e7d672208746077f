"""What the runtime says about a frame. Pixels are those of the frame, origin top left, x to the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]
# Right eye, left eye, nose tip, right and left corner of the mouth: the person's right, so smaller x first.
Landmarks = tuple[Point, Point, Point, Point, Point]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; may reach past the frame's edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> Point:
        """Middle of the box."""
        return self.x + self.width / 2, self.y + self.height / 2

    def overlap(self, other: Box) -> float:
        """Square pixels that both cover."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, wide) * max(0.0, high)

    def iou(self, other: Box) -> float:
        """Intersection over union with ``other``, 0-1."""
        common = self.overlap(other)
        return common / (self.area + other.area - common) if common > 0 else 0.0


@dataclass(frozen=True)
class Face:
    """A detected face. ``score`` 0-1 and ``landmarks`` are None where the detector has none to give."""

    box: Box
    score: float | None = None
    landmarks: Landmarks | None = None


@dataclass(frozen=True)
class Reading:
    """One face's expression.

    ``weights`` has a calibrated weight per expression, in the bundle's order, summing to 1. ``expression``
    is the heaviest. ``doubts`` are the reasons not to rely on it, empty where there is none. ``track`` is
    the face's identity over frames, None for stills.
    """

    face: Face
    weights: Mapping[str, float]
    expression: str
    doubts: tuple[str, ...] = ()
    track: int | None = None

    @property
    def label(self) -> str:
        """The expression, or "uncertain" where there is a doubt."""
        return "uncertain" if self.doubts else self.expression


@dataclass(frozen=True)
class VoiceReading:
    """What was heard in the second before a frame.

    ``weights`` by expression sum to 1; empty where nothing was heard. ``presence``, 0-1, is how far there
    was a voice in it; at 0 the weights mean nothing. ``loudness`` is in decibels, 0 the loudest that there
    can be. ``fused``: the frame's one face was read with it.
    """

    weights: Mapping[str, float]
    presence: float
    loudness: float
    fused: bool = False


@dataclass(frozen=True)
class Moment:
    """A movement of a face that came and went.

    ``kind``: "micro" where it was as short as micro-expressions are, half a second at most, else "macro".
    ``onset``, ``apex`` and ``offset`` are seconds as a frame's time is. ``regions`` are the parts of the face
    that took part, the farthest first. ``expression`` is the one whose weight rose clearly from the onset to
    the apex, None where none did; ``rises`` has the change of each weight, -1 to 1, empty where nothing was
    read. ``doubts``: reasons not to rely on it. ``tone``: what the movement looks like by the way that the
    parts went, "positive", "negative" or "surprise"; None where that is not sure, or was not asked.
    """

    kind: str
    track: int | None
    onset: float
    apex: float
    offset: float
    regions: tuple[str, ...]
    expression: str | None
    rises: Mapping[str, float]
    doubts: tuple[str, ...] = ()
    tone: str | None = None


@dataclass(frozen=True)
class FrameReadings:
    """All readings of one frame. ``time`` is in seconds since the source's start, None for stills.

    ``latency``: seconds from the frame's capture (of a file: its decoding) to these; None for stills.
    ``voice``: what was heard, None where nobody listened. ``moments``: the movements that are known to be
    over since this frame, None where nobody watched; ``motion``: for each reading, how far its face is from
    rest in units of what it strays when nothing happens, None where that cannot be told.
    """

    source: str
    index: int
    time: float | None
    width: int
    height: int
    readings: tuple[Reading, ...]
    latency: float | None = None
    voice: VoiceReading | None = None
    moments: tuple[Moment, ...] | None = None
    motion: tuple[float | None, ...] = ()
