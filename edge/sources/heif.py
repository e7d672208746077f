"""HEIC photos, whole, through pillow-heif (libheif)."""

from __future__ import annotations

import io

import cv2
import numpy as np

from edge.align import Image
from edge.errors import SourceError


def read_heic(content: bytes, name: str, limit: int) -> Image:
    """The primary picture of an HEIC file, uint8 [H, W, 3] BGR, upright; halved where over ``limit`` pixels.

    An iPhone's photo is a grid of tiles with its turn beside it: libheif joins and turns them. FFmpeg would
    give one tile. Raises SourceError, also over twice ``limit``: libheif cannot decode at a smaller size.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise SourceError(
            f"'{name}' is an HEIC photo: pip install 'ferlite[heif]', or save it as JPEG"
        ) from error
    try:
        photo = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True, bgr_mode=True)
        wide, high = photo.size
        if wide * high > 2 * limit:
            raise SourceError(f"'{name}' has {wide} x {high} pixels, over HEIC's limit of {2 * limit:,}")
        image = np.asarray(photo)
    except SourceError:
        raise
    except Exception as error:  # libheif's own errors reach Python under many classes
        raise SourceError(f"'{name}' is an HEIC photo that libheif cannot read, or is damaged") from error
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if wide * high > limit:
        image = cv2.resize(image, (wide // 2, high // 2), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, :3], np.uint8)
