"""Picture files to frames, without trusting them.

OpenCV fills what a cut-off JPEG lacks with grey, and some versions with an earlier picture's pixels, and
says nothing. So a JPEG or PNG is looked through first: is it whole, and how large would it be?
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

from edge.align import Image
from edge.errors import SourceError

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
LARGEST_FILE = 256 * 2**20
PNG = b"\x89PNG\r\n\x1a\n"


def read_image(path: Path) -> Image:
    """The picture as uint8 [H, W, 3] BGR, upright (EXIF), alpha dropped, 16 bits brought to 8.

    Raises SourceError, naming the file: missing, empty, damaged, cut short, too large, no picture.
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
    _inspect(content, name)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if "PIXELS" in str(error) or "validateInputImageSize" in str(error):
            raise _too_large(name) from error
        image = None
    if image is None:
        raise SourceError(f"'{name}' is not a picture that OpenCV can read, or is damaged")
    return np.asarray(image, np.uint8)


def pixel_limit() -> int:
    """The most pixels a picture may have: $OPENCV_IO_MAX_IMAGE_PIXELS, which OpenCV holds itself to."""
    return int(os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS") or 2**25)


def _inspect(content: bytes, name: str) -> None:
    """Raise SourceError for a JPEG or PNG that is cut short, damaged or too large."""
    if content.startswith(PNG):
        size = _png_size(content, name)
    elif content.startswith(b"\xff\xd8"):
        size = _jpeg_size(content, name)
    else:
        return
    if size[0] * size[1] > pixel_limit():
        raise _too_large(name, size)


def _png_size(content: bytes, name: str) -> tuple[int, int]:
    """Width and height; every chunk's checksum is checked on the way to the last."""
    size = struct.unpack(">II", content[16:24]) if content[12:16] == b"IHDR" and len(content) > 24 else (0, 0)
    if size[0] * size[1] > pixel_limit():
        return size  # refused for that; its data need not be looked at
    at = len(PNG)
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


def _jpeg_size(content: bytes, name: str) -> tuple[int, int]:
    """Width and height, having followed the segments to the end-of-image marker."""
    at, size = 2, (0, 0)
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == 0xD9:
            return size
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # data, fill or a marker without a body
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and at + 9 <= len(content):
            high, wide = struct.unpack(">HH", content[at + 5 : at + 9])
            size = (wide, high)
        at += 2 + max(2, length)
    raise SourceError(f"'{name}' is cut short: the JPEG's end is missing")


def _too_large(name: str, size: tuple[int, int] | None = None) -> SourceError:
    what = f"has {size[0]} x {size[1]} pixels, over" if size else "is over"
    return SourceError(
        f"'{name}' {what} the limit of {pixel_limit():,} pixels "
        "(OPENCV_IO_MAX_IMAGE_PIXELS in the environment sets it)"
    )
