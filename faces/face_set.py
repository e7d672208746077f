"""Face sets: uint8 grey faces with a target distribution each, and where they came from."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces.labels import EXPRESSIONS

Split = Literal["train", "public", "private"]

# FER2013 packed by hand names its classes by adjective; FER+ by noun. Both are mapped by name.
FER2013_NAMES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
# FER+'s columns, in its own order (Barsoum et al., 2016), and where our labels stand among them.
VOTE_NAMES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
# Annotators that weights can follow: FER2013's few, or the ten of FER+ who looked at the same faces again.
OWN, CROWD = "fer2013", "ferplus"
VOTE_COLUMNS = [VOTE_NAMES.index(label) for label in EXPRESSIONS]


# What a face set has a row of for each face.
ROWS = ("faces", "labels", "votes", "majority", "sure", "person", "landmarks", "visible")


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split.

    ``faces`` uint8 [N, H, W] grey; ``labels`` int64 [N] indexes ``classes``; ``votes`` float32 [N, classes],
    each row summing to 1, or to 0 where no annotator chose one of them. ``majority`` int64 [N] is the FER+
    majority label, -1 where there is none or it is none of them. ``split`` says which part of its data set
    it is, and ``annotators`` who labelled it, "" where nobody's habits were measured.

    What is None is not known of the set: ``person`` int64 [N], the same number for the same person;
    ``landmarks`` float32 [N, 68, 2] in fractions of the picture (300-W's order), and how far each is
    ``visible``, float32 [N, 68], 0-1; ``sure`` bool [N]: the label is believed whatever a teacher says.
    """

    name: str
    faces: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    votes: npt.NDArray[np.float32]
    majority: npt.NDArray[np.int64]
    classes: tuple[str, ...] = EXPRESSIONS
    person: npt.NDArray[np.int64] | None = None
    landmarks: npt.NDArray[np.float32] | None = None
    visible: npt.NDArray[np.float32] | None = None
    split: str = ""
    annotators: str = ""
    sure: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def sha256(self) -> str:
        """Hex digest of faces, labels and votes."""
        digest = hashlib.sha256()
        for array in (self.faces, self.labels, self.votes):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def targets(self, votes_weight: float, smoothing: float) -> npt.NDArray[np.float32]:
        """Float32 [N, classes] targets: the smoothed label mixed with the votes where there are any."""
        hard = np.eye(len(self.classes), dtype=np.float32)[self.labels]
        hard = hard * (1 - smoothing) + smoothing / len(self.classes)
        share = np.where(self.votes.sum(1, keepdims=True) > 0, votes_weight, 0).astype(np.float32)
        mixed: npt.NDArray[np.float32] = (1 - share) * hard + share * self.votes
        return mixed

    def take(self, which: npt.NDArray[Any]) -> FaceSet:
        """The faces that a mask [N] or an index array selects."""
        rows: dict[str, Any] = {name: getattr(self, name) for name in ROWS}
        return replace(self, **{name: row[which] for name, row in rows.items() if row is not None})

    def followed(self) -> dict[str, tuple[npt.NDArray[np.bool_], FaceSet]]:
        """By annotators, the mask bool [N] of the faces that they label, and those faces with their labels.

        FER2013's own ("" for another data set's) label every face. FER+'s label those on which most of them
        agree, if there are any: that set is called ferplus-SPLIT.
        """
        agreed = self.majority >= 0
        sets = {self.annotators: (np.ones(len(self), bool), self)}
        if agreed.any():
            crowd = self.take(agreed)
            name = f"{CROWD}-{self.split}"
            sets[CROWD] = (agreed, replace(crowd, name=name, annotators=CROWD, labels=crowd.majority))
        return sets


def joined(sets: Sequence[FaceSet], name: str = "") -> FaceSet:
    """One set of the faces of several, in their order, of what all of them know; else it is as the first.

    ``name``: its name (default: those of the sets). Raises DataInvalid where their pictures or classes are
    not alike.
    """
    first = sets[0]
    for other in sets[1:]:
        if other.faces.shape[1:] != first.faces.shape[1:] or other.classes != first.classes:
            raise DataInvalid(f"{first.name} and {other.name} do not go together: other sizes or classes")
    rows = {row: [getattr(each, row) for each in sets] for row in ROWS}
    known: dict[str, Any] = {
        row: np.concatenate(parts) if all(part is not None for part in parts) else None
        for row, parts in rows.items()
    }
    return replace(first, name=name or "+".join(each.name for each in sets), **known)


@dataclass(frozen=True)
class Pack:
    """One split of a packed FER2013: ``labels`` index ``classes``, ``votes`` are in VOTE_NAMES' order.

    ``repeats`` bool [N]: the face is in a test split too, exactly or nearly (always False in a test split).
    ``landmarks`` [N, 68, 2] in fractions of the picture, None where the file has none.
    """

    faces: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    votes: npt.NDArray[np.uint8]
    repeats: npt.NDArray[np.bool_]
    landmarks: npt.NDArray[np.float32] | None = None


def load_fer2013(path: Path, split: Split) -> FaceSet:
    """One split of a packed FER2013 (see ``read_packed``).

    Training leaves out blank faces and every face that repeats, exactly or nearly, in either test split.
    Test splits are returned whole. Raises DataInvalid.
    """
    pack = read_packed(path, split)
    order = np.array([EXPRESSIONS.index(FER2013_NAMES[name]) for name in pack.classes], np.int64)
    whole = FaceSet(
        f"fer2013-{split}",
        pack.faces,
        order[pack.labels],
        vote_shares(pack.votes, VOTE_COLUMNS),
        majority_label(pack.votes, VOTE_COLUMNS),
        landmarks=pack.landmarks,
        split=split,
        annotators=OWN,
    )
    if split != "train":
        return whole
    return whole.take(~pack.repeats & (pack.faces.std(axis=(1, 2)) > 1.0))


def read_packed(path: Path, split: Split) -> Pack:
    """One split of an .npz: ``{split}_x``, ``{split}_y``, ``{split}_fpvotes``, ``classes``, ``fp_classes``.

    Masks ``train_in_test`` and ``train_near_test`` name the training faces that repeat; ``{split}_landmarks``
    may be there ('ferlite train mark'). Raises DataInvalid.
    """
    points = f"{split}_landmarks"
    wanted = [f"{split}_x", f"{split}_y", f"{split}_fpvotes", "classes", "fp_classes"]
    if split == "train":
        wanted += ["train_in_test", "train_near_test"]
    arrays = _read_arrays(path, wanted, (points,))
    faces, labels, votes = arrays[f"{split}_x"], arrays[f"{split}_y"], arrays[f"{split}_fpvotes"]
    pictures = faces.dtype == np.uint8 and faces.ndim == 3 and len(faces) > 0 and min(faces.shape[1:]) >= 8
    if not pictures:
        raise DataInvalid(
            f"'{path}': {split}_x must be uint8 [N, H, W], not {faces.dtype} {faces.shape}: "
            "one face or more, of 8 pixels or more"
        )
    for name in arrays:
        if name.startswith(split) and len(arrays[name]) != len(faces):
            raise DataInvalid(f"'{path}': {name} has {len(arrays[name])} rows for {len(faces)} faces")
    classes = tuple(str(name) for name in arrays["classes"])
    _check_labels(labels, classes, path)
    repeats = np.zeros(len(faces), bool)
    if split == "train":
        repeats = arrays["train_in_test"].astype(bool) | arrays["train_near_test"].astype(bool)
    marks = arrays.get(points)
    if marks is not None and marks.shape[1:] != (68, 2):
        raise DataInvalid(f"'{path}': {points} must be [N, 68, 2], not {marks.shape}")
    return Pack(
        faces,
        labels,
        classes,
        _ordered(votes, [str(name) for name in arrays["fp_classes"]], path),
        repeats,
        None if marks is None else marks.astype(np.float32),
    )


def _read_arrays(path: Path, wanted: list[str], welcome: tuple[str, ...] = ()) -> dict[str, npt.NDArray[Any]]:
    """The arrays ``wanted``, and of those that are ``welcome`` what is there."""
    try:
        # numpy leaves a file that it opened itself open where the zip inside is damaged.
        with path.open("rb") as file:
            if not file.read(4).startswith((b"PK", b"\x93NUM")):
                raise DataInvalid(f"'{path}' is not a packed face set: it is no .npz file")
            file.seek(0)
            pack = np.load(file, allow_pickle=False)
            if not isinstance(pack, np.lib.npyio.NpzFile):
                raise DataInvalid(f"'{path}' is not a packed face set: it is a single array, not an .npz")
            missing = [name for name in wanted if name not in pack.files]
            if missing:
                raise DataInvalid(f"'{path}' is not a packed face set: it has no array '{missing[0]}'")
            return {name: pack[name] for name in (*wanted, *(set(welcome) & set(pack.files)))}
    except DataInvalid:
        raise
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataInvalid(f"'{path}' is not a packed face set: {error}") from error


def _check_labels(labels: npt.NDArray[Any], classes: tuple[str, ...], path: Path) -> None:
    unknown = [name for name in classes if name not in FER2013_NAMES]
    if unknown:
        raise DataInvalid(f"'{path}': unknown class '{unknown[0]}'; known are {', '.join(FER2013_NAMES)}")
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, range(len(classes))).all():
        raise DataInvalid(f"'{path}': labels must be whole numbers from 0 to {len(classes) - 1}")


def _ordered(votes: npt.NDArray[Any], names: list[str], path: Path) -> npt.NDArray[np.uint8]:
    if votes.ndim != 2 or votes.shape[1] != len(names) or set(names) != set(VOTE_NAMES):
        raise DataInvalid(f"'{path}': the votes need one column for each of {', '.join(VOTE_NAMES)}")
    ordered: npt.NDArray[np.uint8] = votes[:, [names.index(name) for name in VOTE_NAMES]].astype(np.uint8)
    return ordered


def vote_shares(votes: npt.NDArray[Any], columns: list[int]) -> npt.NDArray[np.float32]:
    """FER+ votes [N, 10] to shares [N, 7] of the seven labels, which stand in ``columns``.

    Contempt, unknown and not-a-face are dropped; a row without any other vote is all zeros.
    """
    chosen = votes[:, columns].astype(np.float32)
    total = chosen.sum(1, keepdims=True)
    shares: npt.NDArray[np.float32] = np.divide(chosen, total, out=np.zeros_like(chosen), where=total > 0)
    return shares


def majority_label(votes: npt.NDArray[Any], columns: list[int]) -> npt.NDArray[np.int64]:
    """FER+ majority [N] as indices of EXPRESSIONS (Barsoum et al., ICMI 2016).

    Single votes are outliers and dropped; the winner needs more than half of the rest, else -1.
    """
    counted = np.where(votes > 1, votes, 0).astype(np.int64)
    label = np.full(len(votes), -1, np.int64)
    for ours, column in enumerate(columns):
        label[2 * counted[:, column] > counted.sum(1)] = ours
    return label
