"""Clips: the same face some frames long, evenly spaced in time, labelled by the expression that it comes to.

No clip of a person is among them: they are ``rendered`` heads, photographs ``morphed`` into another of the
same person, or photographs ``warped`` by a mesh. A pack holds one kind, and every table says which;
several packs that are learnt from together may be mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.files import whole
from faces.face_set import ROWS, FaceSet

Making = Literal["rendered", "morphed", "warped", "mixed"]
FRAMES, RATE = 16, 12.5  # of a clip, and how many of them a second
QUALITY = 95  # of the frames' JPEG files
# What a pack of clips has; CLIPS tells it from a pack of stills.
CLIPS = {"frames", "rate", "making", "moments"}
ARRAYS = CLIPS | {"jpeg", "offset", "label", "labels", "person", "strength", "landmarks"}
OWN_ROWS = ("clips", "strength", "moments", "paths", "made")


@dataclass(frozen=True)
class Clip:
    """One clip: ``frames`` uint8 [T, S, S] grey, ``rate`` of them a second.

    ``label`` names the expression, of ``strength`` 0-1 where it is strongest; ``moments`` are the seconds of
    onset, apex and offset from the first frame, 0 where nothing happens. ``landmarks`` float32 [T, 68, 2] in
    pixels. The same ``person`` has the same number.
    """

    frames: npt.NDArray[np.uint8]
    label: str
    person: int
    strength: float
    moments: tuple[float, float, float]
    landmarks: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClipSet(FaceSet):
    """Clips of one split; as a face set it holds each clip's last frame.

    ``clips`` uint8 [N, T, S, S], ``rate`` frames a second; ``strength`` float32 [N], 0-1; ``moments`` float32
    [N, 3], seconds; ``paths`` float32 [N, T, 68, 2], the landmarks in fractions of the picture; ``making``
    says how all of them were made, and ``made`` [N] how each was where they are mixed (None: all alike).
    """

    clips: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, FRAMES, 8, 8), np.uint8))
    strength: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    moments: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    paths: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, FRAMES, 68, 2), np.float32))
    making: Making = "rendered"
    rate: float = RATE
    made: npt.NDArray[np.str_] | None = None

    @property
    def sha256(self) -> str:
        """Hex digest of clips, labels and strengths."""
        digest = hashlib.sha256()
        for array in (self.clips, self.labels, self.strength):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def take(self, which: npt.NDArray[Any]) -> ClipSet:
        """The clips that a mask [N] or an index array selects."""
        rows: dict[str, Any] = {name: getattr(self, name) for name in (*ROWS, *OWN_ROWS)}
        return replace(self, **{name: row[which] for name, row in rows.items() if row is not None})


def with_clips(faces: FaceSet, clips: list[Clip], made: list[Making], rate: float) -> ClipSet:
    """``faces``, which are the last frames of ``clips`` in the same order, with all the other frames.

    ``made`` says how each of them was made.
    """
    kinds = set(made)
    making = made[0] if len(kinds) == 1 else "mixed"
    side = clips[0].frames.shape[1]
    given = {each.name: getattr(faces, each.name) for each in fields(FaceSet)}
    return ClipSet(
        **given | {"name": f"{making} {faces.name}"},
        clips=np.stack([clip.frames for clip in clips]),
        strength=np.array([clip.strength for clip in clips], np.float32),
        moments=np.array([clip.moments for clip in clips], np.float32),
        paths=np.stack([clip.landmarks / side for clip in clips]).astype(np.float32),
        making=making,
        rate=rate,
        made=np.array(made) if len(kinds) > 1 else None,
    )


def write(clips: list[Clip], labels: tuple[str, ...], making: Making, path: Path, rate: float = RATE) -> None:
    """Write a pack: the frames of all clips as JPEG files in a row, frame k from ``offset[k]`` on.

    Raises StorageFailed.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    coded = [cv2.imencode(".jpg", frame, quality)[1].ravel() for clip in clips for frame in clip.frames]
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(
            part,
            jpeg=np.concatenate(coded),
            offset=np.concatenate([[0], np.cumsum([len(each) for each in coded])]).astype(np.int64),
            frames=np.int64(len(clips[0].frames)),
            rate=np.float64(rate),
            making=np.array(making),
            label=np.array([labels.index(clip.label) for clip in clips], np.int8),
            labels=np.array(labels),
            person=np.array([clip.person for clip in clips], np.int32),
            strength=np.array([clip.strength for clip in clips], np.float32),
            moments=np.array([clip.moments for clip in clips], np.float32),
            landmarks=np.stack([clip.landmarks for clip in clips]).astype(np.float16),
        )


def read(path: Path) -> tuple[list[Clip], Making, float]:
    """The clips of a pack, how they were made, and their frames a second. Raises DataInvalid."""
    arrays = _arrays(path)
    making, rate, length = str(arrays["making"]), float(arrays["rate"]), int(arrays["frames"])
    if making not in get_args(Making) or making == "mixed" or not 0 < rate < 1000 or not 2 <= length <= 1000:
        raise DataInvalid(f"'{path}' is no pack of clips: {length} frames, {rate:g} a second, '{making}'")
    words, count = [str(word) for word in arrays["labels"]], len(arrays["label"])
    for name in ("person", "strength", "moments", "landmarks"):
        if len(arrays[name]) != count:
            raise DataInvalid(f"'{path}': {name} has {len(arrays[name])} rows for {count} clips")
    if len(arrays["offset"]) != count * length + 1:
        raise DataInvalid(f"'{path}' has {len(arrays['offset']) - 1} frames for {count} clips of {length}")
    frames = list(_frames(arrays, path))
    clips = []
    for index in range(count):
        own = frames[index * length : (index + 1) * length]
        if len({each.shape for each in own}) != 1:
            raise DataInvalid(f"'{path}': the frames of clip {index} differ in size")
        onset, apex, offset = map(float, arrays["moments"][index])
        clips.append(
            Clip(
                np.stack(own),
                words[int(arrays["label"][index])],
                int(arrays["person"][index]),
                float(arrays["strength"][index]),
                (onset, apex, offset),
                arrays["landmarks"][index].astype(np.float32),
            )
        )
    return clips, making, rate  # type: ignore[return-value]


def _frames(arrays: dict[str, npt.NDArray[Any]], path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    jpeg, offset = arrays["jpeg"], arrays["offset"]
    for index, (start, end) in enumerate(pairwise(offset)):
        part = jpeg[start:end]
        frame = cv2.imdecode(part, cv2.IMREAD_GRAYSCALE) if len(part) else None
        if frame is None:
            raise DataInvalid(f"'{path}': frame {index} is not a JPEG that can be read")
        yield np.asarray(frame, np.uint8)


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        # numpy leaves a file that it opened itself open where the zip inside is damaged.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            missing = ARRAYS - set(getattr(archive, "files", ()))
            if missing:
                raise DataInvalid(f"'{path}' has no '{min(missing)}': it is no pack of clips")
            return {name: archive[name] for name in ARRAYS}
    except DataInvalid:
        raise
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except Exception as error:  # numpy and zlib have no error in common for a damaged file
        raise DataInvalid(f"'{path}' is not an .npz that can be read: {error}") from error
