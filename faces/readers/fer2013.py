"""FER2013 (Goodfellow et al., 2013) with FER+ votes (Barsoum et al., 2016): the csv files, or packed."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces.face_set import FER2013_NAMES, OWN, VOTE_NAMES, Split, read_packed
from faces.readers.layout import Entry, Layout

SIDE = 48
# The order of the csv's codes 0-6.
CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGE: dict[str, Split] = {"Training": "train", "PublicTest": "public", "PrivateTest": "private"}
FACES, VOTES = "fer2013.csv", "fer2013new.csv"
TERMS = (
    "No authoritative licence text for the images is known: treat as research only and do not redistribute. "
    "The FER+ votes are under the MIT licence."
)
SPLITS = "official: Training, PublicTest and PrivateTest; subjects are unknown and may occur in several"


def csv_entries(path: Path) -> list[Entry]:
    """Rows of fer2013.csv, with the votes of a fer2013new.csv that lies beside it. Raises DataInvalid."""
    path = path / FACES if path.is_dir() else path
    rows = _rows(path, ("emotion", "pixels", "Usage"))
    votes = _votes(path.with_name(VOTES), len(rows)) if path.with_name(VOTES).exists() else None
    return [_entry(row, number, path, votes) for number, row in enumerate(rows)]


def packed_entries(path: Path) -> list[Entry]:
    """Faces of a packed .npz; training faces that its masks name as repeats are excluded.

    Raises DataInvalid.
    """
    entries = []
    for split in USAGE.values():
        pack = read_packed(path, split)
        for index in range(len(pack.faces)):
            entries.append(
                Entry(
                    name=f"{split}/{index}",
                    label=pack.classes[int(pack.labels[index])],
                    split=split,
                    pixels=pack.faces[index],
                    votes=pack.votes[index],
                    exclude=bool(pack.repeats[index]),
                    landmarks=None if pack.landmarks is None else pack.landmarks[index],
                )
            )
    return entries


def _entry(row: dict[str, str], number: int, path: Path, votes: npt.NDArray[np.uint8] | None) -> Entry:
    where = f"'{path}', row {number + 1}"
    if row["Usage"] not in USAGE:
        raise DataInvalid(f"{where}: Usage {row['Usage']!r} is not one of {', '.join(USAGE)}")
    if row["emotion"] not in [str(code) for code in range(len(CODES))]:
        raise DataInvalid(f"{where}: emotion {row['emotion']!r} is not 0 to {len(CODES) - 1}")
    return Entry(
        name=str(number),
        label=CODES[int(row["emotion"])],
        split=USAGE[row["Usage"]],
        pixels=_pixels(row["pixels"], where),
        votes=None if votes is None else votes[number],
    )


def _pixels(text: str, where: str) -> npt.NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            # numpy only warns of text that is no number.
            warnings.simplefilter("error")
            values = np.fromstring(text, np.int32, sep=" ")
    except (DeprecationWarning, ValueError) as error:
        raise DataInvalid(f"{where}: pixels must be whole numbers") from error
    if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise DataInvalid(f"{where}: {len(values)} pixels, and there must be {SIDE * SIDE} of 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _votes(path: Path, count: int) -> npt.NDArray[np.uint8]:
    rows = _rows(path, VOTE_NAMES)
    if len(rows) != count:
        raise DataInvalid(f"'{path}' has {len(rows)} rows for the {count} of {FACES}")
    try:
        return np.array([[int(row[name]) for name in VOTE_NAMES] for row in rows]).astype(np.uint8)
    except ValueError as error:
        raise DataInvalid(f"'{path}': votes must be whole numbers: {error}") from error


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            # One widespread copy has a blank before some of its column names.
            table.fieldnames = [name.strip() for name in table.fieldnames or ()]
            missing = [name for name in columns if name not in table.fieldnames]
            if missing:
                raise DataInvalid(f"'{path}' has no column '{missing[0]}': it needs {', '.join(columns)}")
            rows = [{name: (row[name] or "").strip() for name in columns} for row in table]
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataInvalid(f"'{path}' is not a csv file: {error}") from error
    if not rows:
        raise DataInvalid(f"'{path}' has no rows")
    return rows


PACKED = Layout(
    name="fer2013-npz",
    annotators=OWN,
    title="FER2013 and FER+, packed",
    labels=FER2013_NAMES,
    framing="face",
    split_rule=SPLITS,
    terms=TERMS,
    recognise=lambda path: path.suffix == ".npz",
    entries=packed_entries,
    knows_repeats=True,
)
CSV = Layout(
    name="fer2013-csv",
    annotators=OWN,
    title="FER2013, with FER+ where fer2013new.csv lies beside it",
    labels=FER2013_NAMES,
    framing="face",
    split_rule=SPLITS,
    terms=TERMS,
    recognise=lambda path: path.suffix == ".csv" or (path / FACES).is_file(),
    entries=csv_entries,
)
