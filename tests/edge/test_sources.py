"""Where frames come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import FerliteError, SourceError
from edge.sources import Frame, ImageSource, VideoSource, open_source


def write_picture(path: Path, level: int = 128) -> Path:
    assert cv2.imwrite(str(path), np.full((20, 30, 3), level, np.uint8))
    return path


def write_video(path: Path, frames: int = 12, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (64, 48))
    assert writer.isOpened()
    rng = np.random.default_rng(0)
    for index in range(frames):
        frame = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
        frame[:, :8] = index * 6
        writer.write(frame)
    writer.release()
    return path


def drain(items: Iterator[Frame | FerliteError]) -> tuple[list[Frame], list[FerliteError]]:
    frames, errors = [], []
    for item in items:
        (errors if isinstance(item, FerliteError) else frames).append(item)
    return frames, errors  # type: ignore[return-value]


def test_one_picture(tmp_path: Path) -> None:
    source = open_source(str(write_picture(tmp_path / "a.PNG")))
    frames, errors = drain(source.frames())
    assert (source.stills, source.total, len(frames), errors) == (True, 1, 1, [])
    assert frames[0].time is None
    assert frames[0].image.shape == (20, 30, 3)


def test_a_folder_in_order_with_a_text_file_and_a_broken_picture_in_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "b.png", 2)
    write_picture(tmp_path / "a.jpg", 1)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / ".hidden").write_text("")
    frames, errors = drain(open_source(str(tmp_path)).frames())
    assert [Path(frame.source).name for frame in frames] == ["a.jpg", "b.png"]
    assert len(errors) == 2
    assert "c.png" in str(errors[0])
    assert "notes.txt' is not a picture" in str(errors[1])


def test_a_glob(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        write_picture(tmp_path / name)
    source = open_source(str(tmp_path / "*.png"))
    assert isinstance(source, ImageSource)
    assert source.total == 2
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(tmp_path / "*.gif"))


def test_a_video_with_times(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "v.avi")))
    assert isinstance(source, VideoSource)
    assert (source.stills, source.rate) == (False, 10.0)
    frames, errors = drain(source.frames())
    source.close()
    assert errors == []
    assert [frame.time for frame in frames] == pytest.approx([index / 10 for index in range(12)])


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_video_cut_off_gives_its_frames_and_then_says_so(tmp_path: Path, share: float) -> None:
    content = write_video(tmp_path / "v.avi", 40).read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: int(len(content) * share)])
    frames = []
    with pytest.raises(SourceError, match=r"cut\.avi' ends after \d+ of \d+ frames: it is cut short"):
        frames.extend(open_source(str(tmp_path / "cut.avi")).frames())


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
def test_what_is_no_video(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"v\.mp4'"):
        open_source(str(tmp_path / "v.mp4"))
    assert capfd.readouterr() == ("", "")


def test_an_mp4_without_its_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = write_video(tmp_path / "v.mp4", 30, "mp4v").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match=r"cut\.mp4' cannot be opened"):
        open_source(str(tmp_path / "cut.mp4"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spec", ["77", "/dev/video77"])
def test_a_missing_camera(spec: str) -> None:
    with pytest.raises(SourceError, match=f"no camera '{spec}': /dev/video77 does not exist"):
        open_source(spec)


def test_a_gstreamer_pipeline_without_gstreamer() -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match="has no GStreamer"):
        open_source("videotestsrc ! appsink")


def test_picamera2_without_its_package() -> None:
    try:
        import picamera2  # noqa: F401
    except ImportError:
        with pytest.raises(SourceError, match="apt install python3-picamera2"):
            open_source("picamera2")
    else:
        pytest.skip("this machine has picamera2")


def test_a_stream_that_nobody_sends() -> None:
    with pytest.raises(SourceError, match=r"'rtsp://127\.0\.0\.1:9/x' cannot be opened"):
        open_source("rtsp://127.0.0.1:9/x")


def test_empty_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no files in it"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="no such file or folder: 'nowhere'"):
        open_source("nowhere")
