"""Is a video file whole? By what its container says of its own size: its count of frames is no fact.

An edit list plays fewer frames than the file holds, a variable rate makes the count a guess, and a browser
that records does not know it. But every box, element and chunk says how long it is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_ISO = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"pnot", b"uuid")
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675  # RFC 8794 and 9559
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")  # the header object of WMV
_MOST_ELEMENTS = 2_000_000


def missing_part(path: Path) -> str:
    """What the file lacks, as a part of a sentence; "" where it is whole, or of a kind that does not tell.

    MP4, MOV, MKV, WebM, AVI, WMV, OGV and FLV tell; MPEG-TS may end anywhere. Raises OSError.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return (_check_of(file.read(16)) or (lambda file, size: ""))(file, size)


def _check_of(head: bytes) -> Callable[[BinaryIO, int], str] | None:
    if head[4:8] in _ISO:
        return _iso
    if head[:4] == _EBML.to_bytes(4, "big"):
        return _matroska
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _avi
    if head[:16] == _ASF:
        return _pieces(24, lambda head: int.from_bytes(head[16:24], "little"))
    if head[:4] == b"OggS":
        return _pieces(27 + 255, _ogg_page)
    if head[:4] == b"FLV\x01":
        return _pieces(13, _flv_tag)
    return None


def _iso(file: BinaryIO, size: int) -> str:
    """ISO base media (ISO 14496-12): boxes of a size and a type, one after the other."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        length = large if length == 1 else length
        if length == 0 or not kind.strip(b"\0").isalnum():  # it goes on to the end, or is no box
            return ""
        if at + length > size:
            return _lacks(at + length - size)
        at += max(8, length)
    return ""


def _avi(file: BinaryIO, size: int) -> str:
    """AVI (OpenDML 1.02): RIFF chunks one after the other, sizes filled in when the writer closed it."""
    at = 0
    while at + 12 <= size:
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF":
            return ""
        if length == 0:
            return "it was never finished"
        # An odd chunk is padded, and not every writer pads the last.
        if at + 8 + length > size:
            return _lacks(at + 8 + length - size)
        at += 8 + length + (length & 1)
    return ""


def _pieces(most: int, length_of: Callable[[bytes], int]) -> Callable[[BinaryIO, int], str]:
    """A container of pieces whose first ``most`` bytes tell how long each is; 0: it is none."""

    def check(file: BinaryIO, size: int) -> str:
        at = 0
        for _ in range(_MOST_ELEMENTS):
            if at >= size:
                break
            file.seek(at)
            length = length_of(file.read(most))
            if length <= 0:
                return ""
            if at + length > size:
                return _lacks(at + length - size)
            at += length
        return ""

    return check


def _ogg_page(head: bytes) -> int:
    """RFC 3533: a header of 27 bytes, the lengths of up to 255 segments, and these."""
    segments = head[26] if head[:4] == b"OggS" and len(head) > 26 else 0
    return 27 + segments + sum(head[27 : 27 + segments]) if segments else 0


def _flv_tag(head: bytes) -> int:
    """Adobe Flash Video 10.1, annex E: a file header, then tags, each followed by its length once more."""
    if head[:3] == b"FLV":
        return int.from_bytes(head[5:9], "big") + 4
    return 11 + int.from_bytes(head[1:4], "big") + 4 if len(head) > 3 and head[0] in (8, 9, 18) else 0


def _matroska(file: BinaryIO, size: int) -> str:
    """Matroska and WebM: elements of an id and a size, which a live recording leaves open at the top."""
    at = 0
    for _ in range(_MOST_ELEMENTS):
        if at >= size:
            return ""
        file.seek(at)
        head = file.read(12)
        identity, length, begin = _element(head)
        if not begin:  # an id or a size that no element has, or that ends with the file
            return "its last element is not whole" if len(head) < 12 else ""
        if length is None:
            if identity not in (_SEGMENT, _CLUSTER):
                return ""
            at += begin
        elif at + begin + length > size:
            return _lacks(at + begin + length - size)
        elif identity == _SEGMENT:
            return ""
        else:
            at += begin + length
    return ""


def _element(head: bytes) -> tuple[int, int | None, int]:
    """Id, size (None: unknown) and how many bytes both took (0: they are not there)."""
    wide = 9 - head[0].bit_length() if head and head[0] else 9
    if wide > 4 or len(head) <= wide:
        return 0, None, 0
    identity, rest = int.from_bytes(head[:wide], "big"), head[wide:]
    long = 9 - rest[0].bit_length() if rest[0] else 9
    if long > 8 or len(rest) < long:
        return 0, None, 0
    mask = (1 << 7 * long) - 1
    length = int.from_bytes(rest[:long], "big") & mask
    return identity, None if length == mask else length, wide + long


def _lacks(count: int) -> str:
    return f"{count:,} bytes of it are missing"
