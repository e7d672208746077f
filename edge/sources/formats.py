"""What a file holds, by its first bytes: a name promises nothing."""

from __future__ import annotations

from typing import Literal

Format = Literal[
    "jpeg",
    "png",
    "gif",
    "bmp",
    "webp",
    "tiff",
    "pnm",
    "jp2",
    "avif",
    "heic",
    "hdr",
    "sun",
    "exr",
]
HEAD = 64  # bytes that tell

_BEGINNINGS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"\x59\xa6\x6a\x95", "sun"),
    (b"\x76\x2f\x31\x01", "exr"),
)
# ISO base media files name their kind: the brands of pictures (ISO 23008-12, AV1 Image File Format).
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def picture_format(head: bytes) -> Format | None:
    """The picture format that a file's first ``HEAD`` bytes begin, None for everything else."""
    for beginning, name in _BEGINNINGS:
        if head.startswith(beginning):
            return name
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "bmp"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:1] == b"P" and head[1:2] in b"1234567Ff" and head[2:3] in (b" ", b"\t", b"\r", b"\n"):
        return "pnm"
    if head[4:8] == b"ftyp":
        return _iso_picture(head)
    return None


def _iso_picture(head: bytes) -> Format | None:
    """AVIF or HEIC, by the major brand; "mif1" says no more than picture, and the compatible brands do."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    if brands[0] in _AVIF or (brands[0] in _HEIC and any(brand in _AVIF for brand in brands)):
        return "avif"
    return "heic" if brands[0] in _HEIC else None


def moves(content: bytes) -> bool:
    """Whether a GIF has more than one picture (GIF89a specification, 1990)."""
    if len(content) < 13:
        return False
    at = 13 + _colours(content[10])
    pictures = 0
    while at < len(content):
        if content[at] == 0x2C and at + 10 <= len(content):  # a picture
            pictures += 1
            if pictures > 1:
                return True
            at += 11 + _colours(content[at + 9])
        elif content[at] == 0x21:  # an extension
            at += 2
        else:
            return False
        while at < len(content) and content[at]:
            at += 1 + content[at]
        at += 1
    return False


def _colours(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def is_video(head: bytes) -> bool:
    """Whether the first ``HEAD`` bytes are those of a common video container."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"moof", b"styp"):
        return _iso_picture(head) is None
    beginnings = (b"\x1aE\xdf\xa3", b"FLV\1", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x30\x26\xb2\x75")
    return head.startswith(beginnings) or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def is_text(head: bytes) -> bool:
    """Whether the first ``HEAD`` bytes are printable ASCII alone, which those of no video are."""
    return all(byte in b"\t\n\r" or 0x20 <= byte < 0x7F for byte in head)
