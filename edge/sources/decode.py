"""Picture files to frames, without trusting them.

OpenCV fills what a cut-off JPEG lacks with grey, and some versions with an earlier picture's pixels, and
says nothing. So a JPEG or PNG is looked through first: is it whole, and how large would it be? What a file
is, its first bytes decide and never its name.
"""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import Image
from edge.errors import SourceError
from edge.sources.formats import HEAD, Format, picture_format

# Of the names that pictures have, those that OpenCV can write.
SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
)
LARGEST_FILE = 256 * 2**20
REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
DEEP: tuple[Format, ...] = ("png", "tiff", "pnm", "jp2")  # may hold 16 bits a colour


def read_image(path: Path) -> Image:
    """The picture as uint8 [H, W, 3] BGR, upright (EXIF), alpha dropped, deeper colours brought to 8 bits.

    A JPEG over the pixel limit is decoded at a half, a quarter or an eighth of its size, and a HEIC photo
    at a half. Raises SourceError, naming the file: missing, empty, damaged, cut short, too large, no picture.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise SourceError(f"'{path}' has {size >> 20} MiB, over the limit of {LARGEST_FILE >> 20} MiB")
        content = path.read_bytes()
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot read '{path}': {error.strerror}") from error
    return decode_image(content, str(path))


def decode_image(content: bytes, name: str) -> Image:
    """``read_image`` for bytes; ``name`` stands for them in messages. Raises SourceError."""
    if not content:
        raise SourceError(f"'{name}' is empty")
    kind = picture_format(content[:HEAD])
    if kind is None:
        raise SourceError(
            f"'{name}' is not a picture: its first bytes are those of no format that OpenCV reads"
        )
    if kind == "heic":
        from edge.sources.heif import read_heic

        return read_heic(content, name, pixel_limit())
    flags = REDUCED[_inspect(content, name, kind)]
    if kind in DEEP:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        if "PIXELS" in str(error) or "validateInputImageSize" in str(error):
            raise too_large(name) from error
        image = None
    if image is None:
        raise SourceError(f"'{name}' is not a picture that OpenCV can read ({kind}), or is damaged")
    return in_8_bits(image)


def in_8_bits(image: npt.NDArray[Any]) -> Image:
    """Levels of 16 bits, or of 10 or 12 that stand in 16, brought to 8; floats are taken to be 0-1.

    A file of 16 bits does not say how many of them are used. Cameras use 10 or 12, and nearly all of such
    a picture would be black if it were read as 16: the brightest level decides.
    """
    if image.dtype == np.uint16:
        brightest = int(image.max())
        used = next(bits for bits in (8, 10, 12, 16) if brightest < 1 << bits)
        return np.asarray(image >> np.uint16(used - 8), np.uint8)
    if image.dtype != np.uint8:
        return np.asarray(np.nan_to_num(image.astype(np.float32) * 255).clip(0, 255), np.uint8)
    return np.asarray(image, np.uint8)


def pixel_limit() -> int:
    """The most pixels a picture may have: $OPENCV_IO_MAX_IMAGE_PIXELS, which OpenCV holds itself to."""
    with suppress(ValueError):  # OpenCV's own words for sizes, "32MB", are not read here
        return int(os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS") or 2**25)
    return 2**25


def _inspect(content: bytes, name: str, kind: Format) -> int:
    """The least of ``REDUCED`` at which the picture is within the limit.

    Raises SourceError for a JPEG or PNG that is cut short or damaged, or too large at that.
    """
    if kind == "png":
        size, largest = _png_size(content, name), 1
    elif kind == "jpeg":
        size, progressive = _jpeg_size(content, name)
        # A progressive JPEG is unpacked whole before it is reduced, into 3 bytes a pixel or more.
        largest = 2 if progressive else 8
    else:
        return 1
    pixels, limit = size[0] * size[1], pixel_limit()
    share = next((each for each in REDUCED if pixels <= limit * each * each), 8)
    if share > largest or pixels > limit * share * share or (largest == 2 and pixels > 2 * limit):
        raise too_large(name, size)
    return share


def _png_size(content: bytes, name: str) -> tuple[int, int]:
    """Width and height; every chunk's checksum is checked on the way to the last."""
    size = struct.unpack(">II", content[16:24]) if content[12:16] == b"IHDR" and len(content) > 24 else (0, 0)
    if size[0] * size[1] > pixel_limit():
        return size  # refused for that; its data need not be looked at
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + length]
        if len(body) < length + 4 or at + 12 + length > len(content):
            break
        if zlib.crc32(body) != int.from_bytes(content[at + 8 + length : at + 12 + length], "big"):
            raise SourceError(f"'{name}' is damaged: a checksum inside the PNG is wrong")
        if body[:4] == b"IEND":
            return size
        at += 12 + length
    raise SourceError(f"'{name}' is cut short: the PNG's end is missing")


def _jpeg_size(content: bytes, name: str) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether it is progressive, by its segments to the end-of-image marker."""
    at, size, progressive = 2, (0, 0), False
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == 0xD9:
            return size, progressive
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # data, fill or a marker without a body
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and at + 9 <= len(content):
            high, wide = struct.unpack(">HH", content[at + 5 : at + 9])
            size, progressive = (wide, high), marker in (0xC2, 0xCA)
        at += 2 + max(2, length)
    raise SourceError(f"'{name}' is cut short: the JPEG's end is missing")


def too_large(name: str, size: tuple[int, int] | None = None) -> SourceError:
    """What to raise for a picture over the limit, of ``size`` where that is known."""
    what = f"has {size[0]} x {size[1]} pixels, over" if size else "is over"
    return SourceError(
        f"'{name}' {what} the limit of {pixel_limit():,} pixels "
        "(OPENCV_IO_MAX_IMAGE_PIXELS in the environment sets it)"
    )
