"""Picture files, good and hostile."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.images import decode_image, read_image


def scene(height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth colours: red falls to the right, green rises downwards."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([rows * 0 + 90, rows * 255 // height, 255 - columns * 255 // width]).astype(np.uint8)


def encoded(suffix: str, image: np.ndarray, *options: int) -> bytes:
    good, content = cv2.imencode(suffix, image, options)
    assert good
    return content.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side: int) -> bytes:
    """A PNG of ``side`` x ``side`` grey zeros: small on disk, huge in memory."""
    packer = zlib.compressobj(9)
    row = b"\0" * (side + 1)
    data = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm"])
def test_common_formats(suffix: str) -> None:
    image = decode_image(encoded(suffix, scene()), "x")
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - scene()).mean() < 6


def test_grey_alpha_and_16_bits_become_bgr_of_8() -> None:
    grey = scene()[:, :, 1]
    np.testing.assert_array_equal(decode_image(encoded(".png", grey), "x"), np.dstack([grey] * 3))
    alpha = np.dstack([scene(), np.full((40, 60), 9, np.uint8)])
    np.testing.assert_array_equal(decode_image(encoded(".png", alpha), "x"), scene())
    deep = scene().astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_image(encoded(".png", deep), "x"), scene())
    deep_grey = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_image(encoded(".png", deep_grey), "x")[:, :, 0], grey)


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow (it comes with matplotlib) writes CMYK")
    rgb = image_module.fromarray(scene()[:, :, ::-1].copy())
    rgb.convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "c.jpg").astype(int) - scene()).mean() < 12


# What EXIF orientation N does to the stored picture so that it stands upright (EXIF 2.3, tag 0x0112).
UPRIGHT = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1], 8: lambda a: a.transpose(1, 0, 2)[::-1],
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_honoured(orientation: int) -> None:
    plain = encoded(".jpg", scene(), cv2.IMWRITE_JPEG_QUALITY, 100)
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + tag + struct.pack("<I", 0)
    body = b"Exif\0\0" + tiff
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    expected = UPRIGHT[orientation](scene())
    image = decode_image(content, "x")
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_a_file_cut_short_is_refused(suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    content = encoded(suffix, noise)
    with pytest.raises(SourceError, match=r"'cut\.img' is (cut short|not a picture)"):
        decode_image(content[: int(len(content) * share)], "cut.img")


def test_progressive_jpegs_with_thumbnails_and_trailing_bytes_pass() -> None:
    inner = encoded(".jpg", scene(8, 8))
    outer = encoded(".jpg", scene(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    content = outer[:2] + b"\xff\xed" + struct.pack(">H", len(inner) + 2) + inner + outer[2:] + b"\0\0motion"
    assert decode_image(content, "x").shape == (40, 60, 3)


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    content = bytearray(encoded(".png", scene()))
    content[len(content) // 2] ^= 4
    with pytest.raises(SourceError, match="checksum"):
        decode_image(bytes(content), "x")


@pytest.mark.parametrize("name", ["empty.jpg", "text.png", "folder.png", "missing.png"])
def test_what_is_no_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty.jpg":
        path.write_bytes(b"")
    elif name == "text.png":
        path.write_text("not a picture")
    elif name == "folder.png":
        path.mkdir()
    with pytest.raises(SourceError) as caught:
        read_image(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_decode_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(30_000))
    code = f"""
import resource, edge
from pathlib import Path
from edge.images import read_image
from edge.errors import SourceError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_image(Path({str(tmp_path / "bomb.png")!r}))
except SourceError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    sentence, grown = done.stdout.splitlines()
    assert "has 30000 x 30000 pixels, over the limit of 33,554,432 pixels" in sentence
    assert int(grown) < 50, f"memory grew by {grown} MiB"


def test_a_bomb_in_a_format_that_only_opencv_reads() -> None:
    content = bytearray(encoded(".bmp", np.zeros((4, 4, 3), np.uint8)))
    content[18:26] = struct.pack("<ii", 30_000, 30_000)
    with pytest.raises(SourceError, match="over the limit|is not a picture"):
        decode_image(bytes(content), "b.bmp")


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from([".png", ".jpg"]), st.data())
def test_damaged_bytes_give_a_picture_or_one_sentence(suffix: str, data: st.DataObject) -> None:
    content = bytearray(encoded(suffix, scene(16, 16)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode_image(bytes(content), "x").dtype == np.uint8
    except SourceError as error:
        assert "'x'" in str(error)
        assert "\n" not in str(error)
