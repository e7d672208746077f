"""What people marked in films of micro-expressions: the sheets of CASME II, SAMM and CAS(ME)^2.

Yan et al., "CASME II" (PLoS ONE, 2014); Davison et al., "SAMM" (IEEE Transactions on Affective Computing,
2018), and its long videos (Yap et al., FG 2020); Qu et al., "CAS(ME)^2" (same Transactions, 2018). The films
are had from their makers, under their terms; the layouts here are those of the sheets that come with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import DataInvalid
from faces.spotting import sheets
from faces.spotting.sheets import Rows

Kind = Literal["micro", "macro"]
NUMBER = re.compile(r"\d+")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True)
class Annotation:
    """A marked movement: frames as the files are numbered, ``apex`` None where nobody said it.

    ``folder``: where the film's frames are, below the data set's folder of them; the last part of it may be
    the beginning of the folder's name, or stand after the first "_" of it.
    """

    subject: str
    folder: tuple[str, str]
    onset: int
    apex: int | None
    offset: int
    kind: Kind
    emotion: str = ""
    units: str = ""


@dataclass(frozen=True)
class Layout:
    """A data set's: its name, its frames a second, what makes annotations of its sheets."""

    name: str
    rate: float
    read: Callable[[dict[str, Rows]], Iterator[Annotation]]


def read(path: Path, layout: str) -> list[Annotation]:
    """Everything marked in a sheet of ``layout``, one of LAYOUTS. Raises DataInvalid."""
    if layout not in LAYOUTS:
        raise DataInvalid(f"unknown layout '{layout}': choose {', '.join(LAYOUTS)}")
    try:
        found = list(LAYOUTS[layout].read(sheets.read(path)))
    except (KeyError, IndexError, StopIteration) as error:
        raise DataInvalid(f"'{path}' is not laid out as {LAYOUTS[layout].name}'s: {error}") from error
    if not found:
        raise DataInvalid(f"'{path}' marks nothing that can be read as {LAYOUTS[layout].name}'s")
    return found


def films(found: list[Annotation]) -> dict[tuple[str, str], list[Annotation]]:
    """What is marked in each film."""
    by_film: dict[tuple[str, str], list[Annotation]] = {}
    for each in found:
        by_film.setdefault(each.folder, []).append(each)
    return by_film


def frames(root: Path, folder: tuple[str, str]) -> list[tuple[int, Path]]:
    """A film's frames with their numbers, in order; [] where it is not there.

    A frame's number is the last in its file's name.
    """
    above = root / folder[0]
    if not above.is_dir():
        return []
    named = sorted(path for path in above.iterdir() if path.is_dir() and _is(path.name, folder[1]))
    if not named:
        return []
    numbered = [
        (int(NUMBER.findall(path.stem)[-1]), path)
        for path in named[0].iterdir()
        if path.suffix.lower() in PICTURES and NUMBER.search(path.stem)
    ]
    return sorted(numbered)


def _is(name: str, wanted: str) -> bool:
    return name == wanted or name.partition("_")[2].startswith(wanted)


def _table(rows: Rows, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The rows under the first that names all of ``needed``, spaces and capitals aside."""
    for start, row in enumerate(rows):
        names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in row]
        if set(needed) <= set(names):
            for below in rows[start + 1 :]:
                yield dict(zip(names, below + [""] * (len(names) - len(below)), strict=False))
            return
    raise KeyError(f"no row has the columns {', '.join(needed)}")


def _first(sheets_: dict[str, Rows]) -> Rows:
    return next(iter(sheets_.values()))


def _frame(text: str) -> int | None:
    """A frame's number; None for what stands where nobody knows it: "/", 0 or nothing."""
    match = re.fullmatch(r"\d+", text)
    return int(text) or None if match else None


def _casme2(sheets_: dict[str, Rows]) -> Iterator[Annotation]:
    columns = ("subject", "filename", "onsetframe", "apexframe", "offsetframe")
    for row in _table(_first(sheets_), columns):
        subject, onset, offset = _frame(row["subject"]), _frame(row["onsetframe"]), _frame(row["offsetframe"])
        if subject is None or onset is None or offset is None:
            continue
        place = (f"sub{subject:02d}", row["filename"])
        yield Annotation(
            place[0],
            place,
            onset,
            _frame(row["apexframe"]),
            offset,
            "micro",
            row.get("estimatedemotion", ""),
            row.get("actionunits", ""),
        )


def _samm(sheets_: dict[str, Rows]) -> Iterator[Annotation]:
    """Short clips have a folder each; of the long videos the last number of a name counts the movements."""
    rows = _first(sheets_)
    long = any("Type" in row for row in rows)
    names = ("onset", "apex", "offset") if long else ("onsetframe", "apexframe", "offsetframe")
    for row in _table(rows, ("subject", "filename", "inducementcode", *names)):
        subject, onset, apex, offset = (_frame(row[name]) for name in ("subject", *names))
        if subject is None or onset is None:
            continue
        film = "_".join(row["filename"].split("_")[:2]) if long else row["filename"]
        kind: Kind = "macro" if row.get("type", "").lower().startswith("macro") else "micro"
        end = offset or apex
        if end is None:
            continue
        place = (f"{subject:03d}", film)
        yield Annotation(
            place[0],
            place,
            onset,
            apex,
            end,
            kind,
            row.get("estimatedemotion", ""),
            row.get("actionunits", ""),
        )


def _cas_me_2(sheets_: dict[str, Rows]) -> Iterator[Annotation]:
    """Three sheets without a head: movements, how subjects are named, and how the films that they saw are."""
    moved, *naming = sheets_.values()
    subjects = {row[2]: row[1] for row in naming[0] if len(row) > 2} if naming else {}
    seen = {row[1]: row[0].zfill(4) for row in naming[1] if len(row) > 1} if len(naming) > 1 else {}
    for row in moved:
        if len(row) < 8:
            continue
        onset, apex, offset = (_frame(cell) for cell in row[2:5])
        end = offset or apex
        if onset is None or end is None:
            continue
        film = row[1].rpartition("_")[0] or row[1]
        subject = subjects.get(row[0], f"s{row[0].zfill(2)}")
        kind: Kind = "macro" if row[7].lower().startswith("macro") else "micro"
        yield Annotation(subject, (subject, seen.get(film, film)), onset, apex, end, kind, row[6], row[5])


LAYOUTS = {
    "casme2": Layout("CASME II", 200.0, _casme2),
    "samm": Layout("SAMM", 200.0, _samm),
    "cas_me_2": Layout("CAS(ME)^2", 30.0, _cas_me_2),
}
