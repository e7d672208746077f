"""What a data set's layout on disk is, and what every reader declares about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from faces.clip_set import RATE, Clip, Making
from faces.face_set import Split
from faces.labels import EXPRESSIONS

TRAIN_SHARE, TEST_SHARE, HELD_OUT_SHARE = 0.70, 0.15, 0.10


@dataclass(frozen=True)
class Entry:
    """One labelled picture, which may not have been read yet.

    ``label`` is the data set's own word. ``split`` is the official one, "" where there is none.
    ``subject`` names the person, "" where unknown. Either ``path`` or ``pixels`` (uint8 [H, W]) is set;
    ``votes`` are FER+'s ten counts. ``exclude`` keeps a training picture out (its twin is in a test).
    ``landmarks`` and ``visible`` are those of ``FaceSet``, where they are known. Of a ``clip`` the picture
    is the last frame; ``making`` and ``rate`` are those of ``faces.clip_set.ClipSet``.
    """

    name: str
    label: str
    split: Split | Literal[""] = ""
    subject: str = ""
    path: Path | None = None
    pixels: npt.NDArray[np.uint8] | None = None
    votes: npt.NDArray[Any] | None = None
    exclude: bool = False
    landmarks: npt.NDArray[np.floating[Any]] | None = None
    visible: npt.NDArray[Any] | None = None
    clip: Clip | None = None
    making: Making = "rendered"
    rate: float = RATE


@dataclass(frozen=True)
class Layout:
    """A data set's layout.

    ``labels`` maps each of its words, in the order of its codes, to one of ``classes`` or to None: left out.
    ``framing``: pictures of faces alone, or frames in which the face is yet to be found.
    ``recognise`` says whether a path looks like it; ``entries`` lists the pictures (raising
    DataInvalid). ``knows_repeats``: it marks the training faces that are in a test, no search is needed.
    ``annotators``: whose habits a prior was measured of, "" where nobody's.
    """

    name: str
    title: str
    labels: Mapping[str, str | None]
    framing: Literal["face", "frame"]
    split_rule: str
    terms: str
    recognise: Callable[[Path], bool]
    entries: Callable[[Path], list[Entry]]
    knows_repeats: bool = False
    classes: tuple[str, ...] = EXPRESSIONS
    annotators: str = ""


def with_splits(entries: Iterable[Entry]) -> list[Entry]:
    """Give every entry a split.

    Nothing is drawn at random: groups (subjects, or single pictures where subjects are unknown) are put in
    the order of their names' sha256. Without official splits 70 % of the groups train, 15 % choose the
    weights and 15 % test; an official training split without one to choose by gives up a tenth to it.
    """
    listed = list(entries)
    official = {entry.split for entry in listed}
    if official == {""}:
        order = _groups(listed)
        tests = max(1, round(TEST_SHARE * len(order))) if len(order) >= 3 else 0
        private, public = set(order[:tests]), set(order[tests : 2 * tests])
        return [
            replace(
                entry,
                split="private"
                if _group(entry) in private
                else "public"
                if _group(entry) in public
                else "train",
            )
            for entry in listed
        ]
    if "public" not in official:
        order = _groups([entry for entry in listed if entry.split == "train"])
        public = set(order[: max(1, round(HELD_OUT_SHARE * len(order)))])
        return [
            replace(entry, split="public") if entry.split == "train" and _group(entry) in public else entry
            for entry in listed
        ]
    return listed


def _group(entry: Entry) -> str:
    return entry.subject or entry.name


def _groups(entries: list[Entry]) -> list[str]:
    return sorted({_group(each) for each in entries}, key=lambda name: hashlib.sha256(name.encode()).digest())
