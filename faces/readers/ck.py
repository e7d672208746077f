"""CK+ (Lucey et al., CVPR Workshops 2010): the original sequences, and CK48, peak frames of 48 pixels."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import DataInvalid
from faces.readers.folders import pictures, subfolders
from faces.readers.layout import Entry, Layout

# The order of the original's codes 0-7.
LABELS: dict[str, str | None] = {
    "neutral": "neutral",
    "anger": "anger",
    "contempt": None,
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sadness": "sadness",
    "surprise": "surprise",
}
IMAGES, EMOTION = "cohn-kanade-images", "Emotion"
PEAK_FRAMES = 3  # the habit of the literature: a sequence ends at its peak
SUBJECT = re.compile(r"(S\d{3})_\d{3}_\d{8}")
TERMS = (
    "Research use only, under an agreement with the data set's authors; pictures are not to be "
    "redistributed, and only those of some subjects may be shown in print."
)
SPLIT_RULE = (
    "subject-independent: 15 % of the subjects test, 15 % choose weights, by the sha256 of their names"
)


def sequences(path: Path) -> list[Entry]:
    """Of each labelled sequence its first frame (neutral) and its last three. Raises DataInvalid."""
    found = []
    for label_file in sorted((path / EMOTION).glob("S*/*/*_emotion.txt")):
        subject, sequence = label_file.parts[-3], label_file.parts[-2]
        folder = path / IMAGES / subject / sequence
        label = _label(label_file)
        frames = pictures(folder) if folder.is_dir() else []
        if len(frames) <= PEAK_FRAMES:
            raise DataInvalid(f"'{folder}' has {len(frames)} frames, and a sequence needs {PEAK_FRAMES + 1}")
        chosen = [(frames[0], "neutral"), *((frame, label) for frame in frames[-PEAK_FRAMES:])]
        found += [Entry(frame.stem, word, subject=subject, path=frame) for frame, word in chosen]
    return found


def _label(path: Path) -> str:
    try:
        # A range finds 5 for 5.0, and neither 2.5 nor nan.
        return list(LABELS)[range(len(LABELS)).index(float(path.read_text(encoding="ascii")))]  # type: ignore[arg-type]
    except ValueError as error:
        raise DataInvalid(f"'{path}' must hold one number from 0 to {len(LABELS) - 1}") from error


def peak_frames(path: Path) -> list[Entry]:
    """Pictures in a folder per expression, named after subject, sequence and frame. Raises DataInvalid."""
    found = []
    for folder in subfolders(path):
        if folder.name not in LABELS:
            raise DataInvalid(f"'{folder}' is not named after an expression: CK48 has {', '.join(LABELS)}")
        for picture in pictures(folder):
            named = SUBJECT.fullmatch(picture.stem)
            if not named:
                raise DataInvalid(f"'{picture}' is not named as CK48's are: S010_004_00000017.png")
            found.append(Entry(picture.stem, folder.name, subject=named[1], path=picture))
    return found


def _is_ck48(path: Path) -> bool:
    if not path.is_dir():
        return False
    for folder in subfolders(path):
        named = [bool(SUBJECT.fullmatch(picture.stem)) for picture in pictures(folder)[:1]]
        if folder.name in LABELS and named == [True]:
            return True
    return False


CK_PLUS = Layout(
    name="ckplus",
    title="CK+, the original sequences",
    labels=LABELS,
    framing="frame",
    split_rule=SPLIT_RULE,
    terms=TERMS,
    recognise=lambda path: (path / IMAGES).is_dir() and (path / EMOTION).is_dir(),
    entries=sequences,
)
CK48 = Layout(
    name="ck48",
    title="CK48, peak frames of CK+",
    labels=LABELS,
    framing="face",
    split_rule=SPLIT_RULE,
    terms=TERMS,
    recognise=_is_ck48,
    entries=peak_frames,
)
