"""Picture files: one, a folder of them, or those that a pattern names."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edge.errors import FerliteError, SourceError
from edge.source import Frame
from edge.sources.decode import read_image
from edge.sources.formats import HEAD, is_video, moves, picture_format


class PictureSource:
    """Picture files, one frame each."""

    stills, rate = True, 0.0
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self.total = len(files)

    def frames(self) -> Iterator[Frame | FerliteError]:
        """A frame per file, or the reason why there is none."""
        for index, file in enumerate(self._files):
            try:
                if reason := _no_picture(file):
                    raise SourceError(reason)
                yield Frame(str(file), index, None, read_image(file))
            except SourceError as error:
                yield error

    def close(self) -> None:
        """Nothing to release."""


def claims(spec: str) -> bool:
    """A folder, a picture that is alone or still, or a pattern that something matches."""
    try:
        if os.path.isdir(spec):  # noqa: PTH112 - Path's raises for a name that is too long
            return True
        if not os.path.exists(spec):  # noqa: PTH110
            return bool(_matches(spec))
        if not os.path.isfile(spec):  # noqa: PTH113
            return False
        with Path(spec).open("rb") as file:
            head = file.read(HEAD)
            kind = picture_format(head)
            return kind is not None and not (kind == "gif" and moves(head + file.read()))
    except (OSError, ValueError):
        return False


def source(spec: str) -> PictureSource:
    """The pictures. Raises SourceError."""
    path = Path(spec)
    if path.is_dir():
        try:
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise SourceError(f"cannot read folder '{spec}': {error.strerror}") from error
        if not entries:
            raise SourceError(f"folder '{spec}' has no files in it")
        return PictureSource(entries)
    return PictureSource([path] if path.exists() else _matches(spec))


def _matches(pattern: str) -> list[Path]:
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file())


def _no_picture(file: Path) -> str:
    """Why one of several files is no picture, and what to type for it; "" where it may be one."""
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            return f"folder '{file}' inside the folder is not looked into: ferlite run '{file}'"
        if not stat.S_ISREG(mode):  # opening a pipe waits for who writes to it
            return f"'{file}' is not a picture: it is a pipe or a device, and no file"
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError:
        return ""  # reading it says why
    if not head or picture_format(head):
        return ""
    if is_video(head):
        return f"'{file}' is a video among pictures: ferlite run '{file}'"
    return f"'{file}' is not a picture: its first bytes are those of no format that OpenCV reads"
