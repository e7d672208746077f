"""A source's frames, taken once and shown to every scenario: a camera is opened one time and not six."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.align import Image
from edge.commands.progress import Progress
from edge.errors import FerliteError, ToolchainError
from edge.source import Frame, Source, open_source
from measure.stages import Stopwatch

# Boards keep their temporary files in memory: what does not fit is shown again from the first frame.
MOST_BYTES = 128 * 2**20
INDEX = "footage.json"


@dataclass(frozen=True)
class Footage:
    """Frames that lie in ``folder``, and for each how long the source took over it (wall and CPU).

    ``replay`` is what ``ferlite run`` can open as often as it likes: the source itself where that is a file,
    else the same frames as a lossless clip.
    """

    folder: Path
    source: str
    stills: bool
    replay: str
    times: tuple[float | None, ...]
    decode_ms: tuple[float, ...]
    decode_cpu_ms: tuple[float, ...]

    def frame(self, number: int) -> Frame:
        """One of the frames, in memory of its own."""
        image: Image = np.load(self.folder / _name(number))
        return Frame(self.source, number, self.times[number], image)

    def endless(self) -> Iterator[int]:
        """Numbers of the frames in order, over and over."""
        while True:
            yield from range(len(self.times))


def take(spec: str, count: int, folder: Path, watch: Stopwatch | None = None) -> Footage:
    """Open the source and put up to ``count`` of its frames into ``folder``; ``watch`` sees each decoded.

    Raises SourceError; ToolchainError where it has none.
    """
    source = open_source(spec)
    try:
        times, wall, cpu = _take(source, count, folder, watch or Stopwatch())
        if not times:
            raise ToolchainError(f"source '{spec}' gives no frames")
        opens_again = source.stills or Path(spec).is_file()
        replay = spec if opens_again else _clip(folder, len(times), source.rate or 25.0)
    finally:
        source.close()
    footage = Footage(folder, spec, source.stills, replay, tuple(times), tuple(wall), tuple(cpu))
    table = {**asdict(footage), "folder": ""}
    (folder / INDEX).write_text(json.dumps(table), encoding="utf-8")
    return footage


def _take(
    source: Source, count: int, folder: Path, watch: Stopwatch
) -> tuple[list[float | None], list[float], list[float]]:
    times: list[float | None] = []
    wall, cpu = [], []
    size = 0
    coming = source.frames()
    with Progress("taking frames", count, "frames") as progress:
        while len(times) < count and size < MOST_BYTES:
            used = time.process_time()
            watch.start()
            frame = next(coming, None)
            watch.lap("decode")
            used = time.process_time() - used
            if frame is None:
                break
            if isinstance(frame, FerliteError):
                raise frame
            np.save(folder / _name(len(times)), frame.image)
            wall.append(watch.stages["decode"])
            cpu.append(used * 1e3)
            times.append(frame.time)
            size += frame.image.nbytes
            progress.advance()
    return times, wall, cpu


def load(folder: str | Path) -> Footage:
    """What ``take`` put into a folder."""
    table = json.loads((Path(folder) / INDEX).read_text(encoding="utf-8"))
    lists: Sequence[str] = ("times", "decode_ms", "decode_cpu_ms")
    return Footage(**{**table, "folder": Path(folder), **{name: tuple(table[name]) for name in lists}})


def _name(number: int) -> str:
    return f"{number:05d}.npy"


def _clip(folder: Path, count: int, rate: float) -> str:
    path = folder / "clip.avi"
    first: Image = np.load(folder / _name(0))
    high, wide = first.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), rate, (wide, high))
    if not writer.isOpened():
        raise ToolchainError("this OpenCV cannot write the lossless clip that a live source is replayed from")
    for number in range(count):
        image: Image = np.load(folder / _name(number))
        if image.shape == first.shape:
            writer.write(image)
    writer.release()
    return str(path)
