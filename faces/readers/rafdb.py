"""RAF-DB, the basic set (Li et al., CVPR 2017): aligned faces of 100 x 100 and one list of labels."""

from __future__ import annotations

from pathlib import Path

from edge.errors import DataInvalid
from faces.face_set import Split
from faces.readers.layout import Entry, Layout

# The order of its codes 1-7.
LABELS: dict[str, str | None] = {
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "happiness": "happiness",
    "sadness": "sadness",
    "anger": "anger",
    "neutral": "neutral",
}
LIST, ALIGNED = "EmoLabel/list_patition_label.txt", "Image/aligned"
SPLITS: dict[str, Split] = {"train": "train", "test": "private"}


def entries(path: Path) -> list[Entry]:
    """The list's pictures. Raises DataInvalid for a line of another form or a missing picture."""
    path = path / "basic" if (path / "basic" / LIST).is_file() else path
    try:
        lines = (path / LIST).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"'{path / LIST}' cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, code = line.strip().partition(" ")
        split, stem = name.split("_")[0], Path(name).stem
        if split not in SPLITS or code not in [str(k + 1) for k in range(len(LABELS))]:
            raise DataInvalid(
                f"'{path / LIST}', line {number}: {line!r} is not a picture and its code: train_00001.jpg 5"
            )
        picture = path / ALIGNED / f"{stem}_aligned{Path(name).suffix}"
        if not picture.is_file():
            raise DataInvalid(f"'{path / LIST}', line {number}: there is no '{picture}'")
        found.append(Entry(stem, list(LABELS)[int(code) - 1], SPLITS[split], path=picture))
    return found


LAYOUT = Layout(
    name="rafdb",
    title="RAF-DB, basic",
    labels=LABELS,
    framing="face",
    split_rule="official train and test; a tenth of train, by the sha256 of its names, chooses weights",
    terms="Non-commercial research only, under an agreement; the pictures belong to their owners.",
    recognise=lambda path: (path / LIST).is_file() or (path / "basic" / LIST).is_file(),
    entries=entries,
)
