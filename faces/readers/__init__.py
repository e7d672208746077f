"""Data sets as they lie on disk, to face sets: found out or named, given our labels, freed of repeats."""

from __future__ import annotations

import hashlib
import importlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from edge.classify import at_size
from edge.commands.progress import Progress
from edge.errors import DataInvalid, SourceError, UsageError
from edge.sources.decode import read_image
from faces.clip_set import Clip, with_clips
from faces.duplicates import Match, blank, find
from faces.face_set import VOTE_COLUMNS, VOTE_NAMES, FaceSet, Split, majority_label, vote_shares
from faces.labels import EXPRESSIONS
from faces.readers.framing import FaceCutter
from faces.readers.layout import Entry, Layout, with_splits
from faces.readers.table import LAYOUTS

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DataSet:
    """A data set that was read.

    ``splits`` has the face sets; that of training is free of blank faces and of all that ``repeats``
    lists: training faces (by their index before that) that are in a test split. ``left_out`` counts
    pictures by the reason why they are in no split.
    """

    layout: Layout
    splits: dict[Split, FaceSet]
    left_out: dict[str, int]
    repeats: dict[Split, list[Match]]

    def split(self, name: Split) -> FaceSet:
        """One split. Raises DataInvalid where the data set has none."""
        if name not in self.splits:
            raise DataInvalid(f"{self.layout.title} has no '{name}' split: it has {', '.join(self.splits)}")
        return self.splits[name]


def layout_named(name: str) -> Layout:
    """The layout of that name in the table. Raises UsageError."""
    if name not in LAYOUTS:
        raise UsageError(f"unknown layout '{name}': choose auto, {', '.join(LAYOUTS)}")
    module, attribute = LAYOUTS[name].split(":")
    return cast("Layout", getattr(importlib.import_module(module), attribute))


def recognise(path: Path) -> Layout:
    """The first layout of the table that ``path`` looks like. Raises DataInvalid."""
    if not path.exists():
        raise DataInvalid(f"'{path}' is not there")
    for name in LAYOUTS:
        layout = layout_named(name)
        if layout.recognise(path):
            return layout
    raise DataInvalid(f"'{path}' looks like none of {', '.join(LAYOUTS)}")


def read(path: Path, side: int = 48, layout: str = "auto", *, search: bool | None = None) -> DataSet:
    """Read a data set; pictures become grey faces of ``side`` x ``side``.

    ``layout`` names one of the table or is "auto". ``search``: look for training faces that repeat in a
    test, which are then left out; None: unless the data set itself names them.
    Raises DataInvalid and UsageError.
    """
    chosen = recognise(path) if layout == "auto" else layout_named(layout)
    left_out: Counter[str] = Counter()
    try:
        entries = with_splits(_wanted(chosen, path, left_out))
    except OSError as error:
        raise DataInvalid(f"'{error.filename or path}' cannot be read: {error.strerror}") from error
    if not entries:
        raise DataInvalid(f"'{path}' has no picture that could be learnt from")
    faces = _load(entries, _loader(chosen, side), left_out)
    splits: dict[Split, FaceSet] = {}
    for split in ("train", "public", "private"):
        if made := _face_set(split, chosen, entries, faces):
            splits[split] = made
    repeats: dict[Split, list[Match]] = {}
    if "train" in splits:
        wanted = not chosen.knows_repeats if search is None else search
        splits["train"], repeats = _without_repeats(splits, left_out, wanted)
    return DataSet(chosen, splits, {reason: count for reason, count in left_out.items() if count}, repeats)


def _wanted(layout: Layout, path: Path, left_out: Counter[str]) -> list[Entry]:
    wanted = []
    for entry in layout.entries(path):
        if layout.labels[entry.label] is None:
            left_out[f"labelled {entry.label}, which is none of {', '.join(layout.classes)}"] += 1
        elif entry.exclude:
            left_out["a repeat of a test face, by the data set's own mask"] += 1
        else:
            wanted.append(entry)
    return wanted


def _loader(layout: Layout, side: int) -> Callable[[Entry], Grey]:
    cutter = FaceCutter(side) if layout.framing == "frame" else None

    def load(entry: Entry) -> Grey:
        if entry.pixels is not None:
            return at_size(entry.pixels, side) if entry.pixels.shape[0] > side else entry.pixels
        picture = read_image(entry.path or Path(entry.name))
        if cutter:
            return cutter(picture, entry.name)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        shrinks = min(grey.shape) > side
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(grey, (side, side), interpolation=how), np.uint8)

    return load


def _load(entries: list[Entry], load: Callable[[Entry], Grey], left_out: Counter[str]) -> list[Grey | None]:
    faces: list[Grey | None] = []
    with Progress("reading", len(entries), "pictures") as progress:
        for entry in entries:
            try:
                faces.append(load(entry))
            except SourceError:
                left_out["not a picture that can be read"] += 1
                faces.append(None)
            except DataInvalid:
                left_out["no face found"] += 1
                faces.append(None)
            progress.advance()
    return faces


def _face_set(split: Split, layout: Layout, entries: list[Entry], faces: list[Grey | None]) -> FaceSet | None:
    chosen = [
        (entry, face)
        for entry, face in zip(entries, faces, strict=True)
        if face is not None and entry.split == split
    ]
    if not chosen:
        return None
    names = [layout.labels[entry.label] for entry, _ in chosen]
    nobody = np.zeros(len(VOTE_NAMES), np.uint8)
    votes = np.stack([nobody if entry.votes is None else entry.votes for entry, _ in chosen])
    classes = len(layout.classes)
    voters = layout.classes == EXPRESSIONS
    made = FaceSet(
        f"{layout.annotators or layout.name}-{split}",
        np.stack([face for _, face in chosen]),
        np.array([layout.classes.index(name) for name in names if name], np.int64),
        vote_shares(votes, VOTE_COLUMNS) if voters else np.zeros((len(chosen), classes), np.float32),
        majority_label(votes, VOTE_COLUMNS) if voters else np.full(len(chosen), -1, np.int64),
        layout.classes,
        _persons([entry for entry, _ in chosen]),
        _all_or_none([entry.landmarks for entry, _ in chosen]),
        _all_or_none([entry.visible for entry, _ in chosen]),
        split,
        layout.annotators,
    )
    clips = [_clip_at(entry.clip, made.faces.shape[1]) for entry, _ in chosen if entry.clip is not None]
    if not clips:
        return made
    return with_clips(made, clips, [entry.making for entry, _ in chosen], chosen[0][0].rate)


def _clip_at(clip: Clip, side: int) -> Clip:
    """The clip in pictures of ``side`` pixels."""
    own = clip.frames.shape[1]
    frames = np.stack([at_size(frame, side) for frame in clip.frames])
    return replace(clip, frames=frames, landmarks=(clip.landmarks * (side / own)).astype(np.float32))


def _persons(entries: list[Entry]) -> npt.NDArray[np.int64] | None:
    """A number for each person, by the sha256 of the name alone; None where one is unknown."""
    if not all(entry.subject for entry in entries):
        return None
    digests = [hashlib.sha256(entry.subject.encode()).digest()[:7] for entry in entries]
    return np.array([int.from_bytes(digest, "big") for digest in digests], np.int64)


def _all_or_none(rows: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[np.float32] | None:
    known = [row for row in rows if row is not None]
    return np.stack(known).astype(np.float32) if len(known) == len(rows) else None


def _without_repeats(
    splits: dict[Split, FaceSet], left_out: Counter[str], search: bool
) -> tuple[FaceSet, dict[Split, list[Match]]]:
    train = splits["train"]
    keep = ~blank(train.faces)
    left_out["blank"] += int((~keep).sum())
    repeats: dict[Split, list[Match]] = {}
    tests: tuple[Split, ...] = ("public", "private")
    for split in tests:
        if search and split in splits:
            repeats[split] = find(train.faces, splits[split].faces)
            keep[[match.left for match in repeats[split]]] = False
    left_out["a repeat of a test face, by search"] += int((~keep & ~blank(train.faces)).sum())
    if not keep.any():
        raise DataInvalid(
            f"{train.name}: every training face repeats in a test, so nothing is left to learn from"
        )
    return train.take(keep), repeats


def describe(found: DataSet) -> dict[str, Any]:
    """What was read, JSON-ready: layout, terms, split rule, faces per split and label, repeats, left out."""
    return {
        "schema": 1,
        "kind": "ferlite-data",
        "layout": found.layout.name,
        "title": found.layout.title,
        "terms": found.layout.terms,
        "split_rule": found.layout.split_rule,
        "labels": dict(found.layout.labels),
        "splits": {
            name: {
                "faces": len(faces),
                "sha256": faces.sha256,
                "labels": {
                    label: int((faces.labels == k).sum()) for k, label in enumerate(found.layout.classes)
                },
            }
            for name, faces in found.splits.items()
        },
        "repeats": {
            name: {
                "pairs": len(matches),
                "exact": sum(match.exact for match in matches),
                "mirrored": sum(match.mirrored for match in matches),
                "training_faces": len({match.left for match in matches}),
            }
            for name, matches in found.repeats.items()
        },
        "left_out": found.left_out,
    }


def as_text(report: dict[str, Any]) -> str:
    """``describe``'s report for a terminal."""
    lines = [
        f"{report['title']} ({report['layout']})",
        f"terms: {report['terms']}",
        f"splits: {report['split_rule']}",
        f"{'':12}" + "".join(f"{name:>9}" for name in report["splits"]),
    ]
    for label in next(iter(report["splits"].values()))["labels"]:
        counts = [split["labels"][label] for split in report["splits"].values()]
        lines.append(f"{label:12}" + "".join(f"{count:9d}" for count in counts))
    lines.append(f"{'all':12}" + "".join(f"{split['faces']:9d}" for split in report["splits"].values()))
    for name, found in report["repeats"].items():
        lines.append(
            f"training faces that repeat in {name}: {found['training_faces']} "
            f"({found['exact']} pairs exact, {found['mirrored']} mirrored)"
        )
    lines += [f"left out: {count} ({reason})" for reason, count in report["left_out"].items()]
    return "\n".join(lines)
