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
from edge.sources.decode import decode_image, read_image


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
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


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
from edge.sources.decode import read_image
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


# Deep pictures, large ones, and those of phones


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jp2"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_sixteen_bits_with_fewer_in_use_are_not_black(suffix: str, bits: int) -> None:
    if not cv2.haveImageWriter(suffix):
        pytest.skip(f"this OpenCV writes no {suffix}")
    levels = np.tile(np.linspace(0, 2**bits - 1, 64).astype(np.uint16), (64, 1))
    image = decode_image(encoded(suffix, levels), "x")
    expected = np.tile(np.linspace(0, 255.99, 64).astype(np.uint8), (64, 1))
    assert image.dtype == np.uint8
    assert np.abs(image[..., 0].astype(int) - expected).max() <= 1


def test_a_netpbm_picture_of_ten_bits() -> None:
    levels = np.tile(np.linspace(0, 1023, 60).astype(">u2"), (40, 1))
    image = decode_image(b"P5\n60 40\n1023\n" + levels.tobytes(), "x")
    assert (int(image.min()), int(image.max())) == (0, 255)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_a_photo_of_50_megapixels_is_decoded_at_half_its_size(options: tuple[int, ...]) -> None:
    wide = np.tile(np.linspace(0, 255, 8192).astype(np.uint8), (6144, 1))
    image = decode_image(encoded(".jpg", wide, *options), "x")
    assert image.shape == (3072, 4096, 3)
    assert np.abs(image[1500, :, 1].astype(int) - np.linspace(0, 255, 4096)).max() < 4


def header_of(width: int, height: int, marker: int = 0xC0) -> bytes:
    """A whole JPEG whose header promises this size."""
    content = bytearray(encoded(".jpg", scene(), cv2.IMWRITE_JPEG_PROGRESSIVE, int(marker == 0xC2)))
    at = content.index(bytes([0xFF, marker]))
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(("width", "marker"), [(60_000, 0xC0), (9_000, 0xC2)])
def test_a_photo_that_no_reduction_brings_within_the_limit_is_refused(width: int, marker: int) -> None:
    with pytest.raises(SourceError, match=f"has {width} x {width} pixels, over the limit"):
        decode_image(header_of(width, width, marker), "x")


def heic(rgb: np.ndarray, orientation: int = 1) -> bytes:
    """An HEIC photo as phones write them: the turn stands beside the picture."""
    import io

    image_module = pytest.importorskip("PIL.Image", reason="Pillow writes the turn")
    pillow_heif = pytest.importorskip("pillow_heif", reason="pip install 'ferlite[heif]'")
    pillow_heif.register_heif_opener()
    picture = image_module.fromarray(np.ascontiguousarray(rgb))
    tags = picture.getexif()
    tags[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "HEIF", exif=tags.tobytes(), quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_heic_photo_is_whole_and_upright(orientation: int) -> None:
    rgb = scene(200, 300)[:, :, ::-1]
    expected = UPRIGHT[orientation](scene(200, 300))
    image = decode_image(heic(rgb, orientation), "x")
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3


def test_a_large_heic_photo_is_halved_and_a_larger_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic(scene(200, 300)[:, :, ::-1])
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "40000")
    assert decode_image(content, "x").shape == (100, 150, 3)
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "20000")
    with pytest.raises(SourceError, match="has 300 x 200 pixels, over HEIC's limit of 40,000"):
        decode_image(content, "x")


def test_an_heic_photo_that_is_cut_is_refused() -> None:
    content = heic(scene(200, 300))
    with pytest.raises(SourceError, match=r"'x' is an HEIC photo that libheif cannot read, or is damaged"):
        decode_image(content[: len(content) // 2], "x")


def test_heic_without_its_library_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"pip install 'ferlite\[heif\]', or save it as JPEG"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "x")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_the_turn_of_other_formats_is_honoured(kind: str) -> None:
    import io

    image_module = pytest.importorskip(
        "PIL.Image", reason="Pillow (it comes with matplotlib) writes the turn"
    )
    if tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 12):
        pytest.skip("OpenCV reads it from 4.12 on")
    picture = image_module.fromarray(scene()[:, :, ::-1].copy())
    tags = picture.getexif()
    tags[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, kind, exif=tags.tobytes(), lossless=True)
    image = decode_image(buffer.getvalue(), "x")
    assert np.abs(image.astype(int) - UPRIGHT[6](scene())).mean() < 3
