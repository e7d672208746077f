"""Where frames come from."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import FerliteError, SourceError
from edge.source import Frame, open_source
from edge.sources.pictures import PictureSource
from edge.sources.timeline import Timeline
from edge.sources.video import VideoSource
from tests.media import cut, make, write_picture, write_video


def drain(items: Iterator[Frame | FerliteError]) -> tuple[list[Frame], list[FerliteError]]:
    frames, errors = [], []
    for item in items:
        (errors if isinstance(item, FerliteError) else frames).append(item)
    return frames, errors  # type: ignore[return-value]


def times(path: Path | str) -> list[float]:
    source = open_source(str(path))
    frames, errors = drain(source.frames())
    source.close()
    assert errors == []
    return [frame.time or 0.0 for frame in frames]


# What a file is


def test_one_picture(tmp_path: Path) -> None:
    source = open_source(str(write_picture(tmp_path / "a.png").rename(tmp_path / "a.PNG")))
    frames, errors = drain(source.frames())
    assert (source.stills, source.total, len(frames), errors) == (True, 1, 1, [])
    assert frames[0].time is None
    assert frames[0].image.shape == (20, 30, 3)


@pytest.mark.parametrize("name", ["photo.jfif", "photo", "photo.mp4", "photo.JPG", "photo.dat"])
def test_a_picture_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    picture = write_picture(tmp_path / "a.jpg").rename(tmp_path / name)
    source = open_source(str(picture))
    assert isinstance(source, PictureSource)
    assert [frame.image.shape for frame in drain(source.frames())[0]] == [(20, 30, 3)]


def test_a_cut_picture_with_a_videos_name_is_refused(tmp_path: Path) -> None:
    picture = cut(write_picture(tmp_path / "a.jpg"), 0.7).rename(tmp_path / "a.mp4")
    frames, errors = drain(open_source(str(picture)).frames())
    assert frames == []
    assert "cut short" in str(errors[0])


@pytest.mark.parametrize("name", ["clip.jpg", "clip", "clip.MP4"])
def test_a_video_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    video = write_video(tmp_path / "v.avi").rename(tmp_path / name)
    assert len(times(video)) == 12


def test_a_gif_that_moves_is_a_video_and_one_that_does_not_a_picture(tmp_path: Path) -> None:
    assert len(times(make(tmp_path / "moves.gif", "-t", "0.4", "-r", "10"))) == 4
    source = open_source(str(make(tmp_path / "stands.gif", "-frames:v", "1")))
    assert isinstance(source, PictureSource)
    assert drain(source.frames())[0][0].image.shape == (48, 64, 3)


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


def test_a_folder_takes_every_picture_that_opencv_reads(tmp_path: Path) -> None:
    names = ["a.jpg", "b.png", "c.bmp", "d.webp", "e.tiff", "f.ppm", "g.jp2", "h.avif", "i.gif"]
    written = [name for name in names if cv2.haveImageWriter(name)]
    assert len(written) >= 7
    for name in written:
        write_picture(tmp_path / name, shape=(64, 64, 3))  # JPEG 2000 wants so many
    (tmp_path / "a.jpg").rename(tmp_path / "a.jfif")
    frames, errors = drain(open_source(str(tmp_path)).frames())
    assert errors == []
    assert [Path(frame.source).stem for frame in frames] == [name[0] for name in written]


def test_a_folder_says_what_to_type_for_a_video_and_a_folder_in_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write_video(tmp_path / "v.avi")
    (tmp_path / "more").mkdir()
    frames, errors = drain(open_source(str(tmp_path)).frames())
    assert len(frames) == 1
    assert f"ferlite run '{tmp_path}/more'" in str(errors[0])
    assert f"is a video among pictures: ferlite run '{tmp_path}/v.avi'" in str(errors[1])


def test_a_pipe_in_a_folder_is_no_picture_and_is_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "a")
    (folder / "b.png").symlink_to("a")
    (folder / "c.png").symlink_to(write_picture(tmp_path / "c.png"))
    (folder / "d.png").symlink_to("nowhere")
    found: list[tuple[list[Frame], list[FerliteError]]] = []
    # A read that hangs is left to the process's end, and the test fails at once.
    reader = threading.Thread(
        target=lambda: found.append(drain(open_source(str(folder)).frames())), daemon=True
    )
    reader.start()
    reader.join(20)
    assert found, "the pipe is waited for"
    ((frames, errors),) = found
    assert [Path(frame.source).name for frame in frames] == ["c.png"]
    assert [str(error) for error in errors] == [
        f"'{folder}/a' is not a picture: it is a pipe or a device, and no file",
        f"'{folder}/b.png' is not a picture: it is a pipe or a device, and no file",
        f"cannot read '{folder}/d.png': No such file or directory",
    ]


def test_a_glob(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        write_picture(tmp_path / name)
    source = open_source(str(tmp_path / "*.png"))
    assert isinstance(source, PictureSource)
    assert source.total == 2
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(tmp_path / "*.gif"))


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
@pytest.mark.parametrize("name", ["v.mp4", "v.jpg", "v.txt"])
def test_what_is_neither(
    tmp_path: Path, content: bytes, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=name) as caught:
        open_source(str(tmp_path / name))
    assert ("is empty" in str(caught.value)) == (content == b"")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spec", ["", "nowhere", "n" * 300, "a\0b", "a/b/c.mp4"])
def test_what_is_not_there(spec: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no files in it"):
        open_source(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"x")
    (tmp_path / "v.mp4").chmod(0)
    (tmp_path / "folder").mkdir(0)
    for name in ("v.mp4", "folder"):
        with pytest.raises(SourceError, match="cannot read"):
            open_source(str(tmp_path / name))


# Times


def test_a_video_with_times(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "v.avi")))
    assert isinstance(source, VideoSource)
    assert (source.stills, source.rate) == (False, 10.0)
    frames, errors = drain(source.frames())
    source.close()
    assert errors == []
    assert [frame.time for frame in frames] == pytest.approx([index / 10 for index in range(12)])


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.webm", "v.avi", "v.ts", "v.flv", "v.h264", "v.mov"])
def test_every_container_gives_the_times_of_its_frames(tmp_path: Path, name: str) -> None:
    found = times(make(tmp_path / name, "-pix_fmt", "yuv420p"))
    assert found == pytest.approx([index / 25 for index in range(50)], abs=0.002)


VARIABLE = ("-vf", "select='lt(n,10)+not(mod(n,8))'", "-vsync", "vfr", "-pix_fmt", "yuv420p")
KEPT = [*range(10), 16, 24, 32, 40, 48]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.webm"])
def test_a_variable_rate_is_whole_and_its_times_are_read(tmp_path: Path, name: str) -> None:
    assert times(make(tmp_path / name, *VARIABLE)) == pytest.approx([n / 25 for n in KEPT], abs=0.002)


def test_a_browsers_recording_is_whole(tmp_path: Path) -> None:
    """No cluster and no segment says how long it is, as MediaRecorder writes them."""
    live = make(tmp_path / "v.webm", *VARIABLE, "-c:v", "libvpx", "-f", "webm", "-live", "1")
    assert times(live) == pytest.approx([n / 25 for n in KEPT], abs=0.002)


def test_a_trimmed_clip_with_an_edit_list_is_whole(tmp_path: Path) -> None:
    whole = make(tmp_path / "v.mp4", "-pix_fmt", "yuv420p")
    trimmed = make(tmp_path / "t.mp4", "-c", "copy", "-t", "1", before=("-ss", "0.7"), source=str(whole))
    source = open_source(str(trimmed))
    promised = source.total
    frames = drain(source.frames())[0]
    assert len(frames) < promised * 0.9 - 2, "the container no longer promises too much: no test of anything"
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(len(frames))])


def test_stamps_that_do_not_rise_are_counted_on() -> None:
    timeline = Timeline(10.0)
    stamps = [5.0, 5.1, 5.1, 5.3, 0.0, 0.1, 0.3]
    assert [timeline.at(stamp) for stamp in stamps] == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8])


def test_many_videos_wait_without_being_held_open(tmp_path: Path) -> None:
    video = str(write_video(tmp_path / "v.avi"))

    def held() -> tuple[int, int]:
        """Open files, and threads."""
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208

    list(open_source(video).frames())  # what is loaded at the first one stays
    gc.collect()
    before = held()
    waiting = [open_source(video) for _ in range(20)]
    assert [(source.total, source.rate) for source in waiting] == [(12, 10.0)] * 20
    assert held() == before
    for source in waiting:
        assert len(list(source.frames())) == 12
        source.close()
    assert held() == before


def test_a_video_that_went_while_it_waited_is_one_sentence(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "v.avi")))
    (tmp_path / "v.avi").unlink()
    with pytest.raises(SourceError, match="no such file or folder: '.*v.avi'"):
        list(source.frames())
    source.close()


# Videos that are cut


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    "name",
    [
        *("v.mkv", "v.webm", "v.avi", "faststart.mp4", "fragments.mp4", "live.webm"),
        *("v.wmv", "v.ogv", "v.flv"),
    ],
)
def test_a_video_cut_off_gives_its_frames_and_then_says_so(tmp_path: Path, name: str, share: float) -> None:
    options = {
        "faststart.mp4": ("-movflags", "faststart"),
        "fragments.mp4": ("-movflags", "frag_keyframe+empty_moov", "-g", "5"),
        "live.webm": ("-c:v", "libvpx", "-f", "webm", "-live", "1"),
    }.get(name, ())
    short = cut(make(tmp_path / name, "-pix_fmt", "yuv420p", *options), share)
    frames: list[Frame | FerliteError] = []
    with pytest.raises(SourceError) as caught:
        frames.extend(open_source(str(short)).frames())
    if frames:
        assert f"cut-{name}' is cut short after {len(frames)} frames: " in str(caught.value)
    assert len(frames) < 50


def test_a_writer_that_was_killed_leaves_a_video_that_is_cut_short(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "v.avi", 40).read_bytes())
    content[4:8] = b"\0\0\0\0"  # the size that OpenCV fills in when it closes the file
    (tmp_path / "v.avi").write_bytes(content[:-100])
    with pytest.raises(SourceError, match="was never finished"):
        list(open_source(str(tmp_path / "v.avi")).frames())


def test_an_mp4_without_its_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    short = cut(write_video(tmp_path / "v.mp4", 30, "mp4v"), 0.5)
    with pytest.raises(SourceError, match=r"cut-v\.mp4' cannot be opened"):
        open_source(str(short))
    assert capfd.readouterr() == ("", "")


# Names


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "http:x.mp4", "concat:a|b.mp4", "pipe:0.mp4", "50%d.mp4", "100 % {a}.mp4", "ü.mp4"]
)
def test_names_that_mean_something_to_ffmpeg(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "v.mp4", codec="mp4v").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(times(name)) == len(times(tmp_path / name)) == 12


@pytest.mark.parametrize("suffix", [".mp4", ".jpg"])
def test_a_name_that_is_not_utf_8(tmp_path: Path, suffix: str) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9" + suffix.encode())
    if suffix == ".jpg":
        made = write_picture(tmp_path / "a.jpg")
    else:
        made = write_video(tmp_path / "v.mp4", codec="mp4v")
    os.rename(made, name)  # noqa: PTH104
    frames, errors = drain(open_source(name).frames())
    assert errors == []
    assert frames[0].source == name


def test_a_file_address(tmp_path: Path) -> None:
    write_video(tmp_path / "my clip.avi")
    assert len(times(f"file://{tmp_path}/my%20clip.avi")) == 12


# Pipes


@pytest.mark.parametrize("name", ["v.ts", "v.mkv", "a.png"])
def test_a_fifo(tmp_path: Path, name: str) -> None:
    made = write_picture(tmp_path / name) if name == "a.png" else make(tmp_path / name, "-pix_fmt", "yuv420p")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(made.read_bytes()))
    writer.start()
    source = open_source(str(fifo))
    frames, errors = drain(source.frames())
    source.close()
    writer.join(10)
    assert (len(frames), errors) == (1 if name == "a.png" else 50, [])
    assert source.stills == (name == "a.png")


def test_a_fifo_with_nothing_in_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(b""))
    writer.start()
    with pytest.raises(SourceError, match="ended before it gave anything"):
        open_source(str(fifo))
    writer.join(10)


COUNT = "import edge; from edge.source import open_source; print(len(list(open_source('-').frames())))"


@pytest.mark.parametrize("piped", [True, False])
def test_standard_input(tmp_path: Path, piped: bool) -> None:
    video = write_video(tmp_path / "v.avi")
    with video.open("rb") as file:
        given = {"input": file.read()} if piped else {"stdin": file}
        done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, check=True, **given)
    assert done.stdout == b"12\n"


# Addresses


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_server_that_dies_in_the_middle_of_a_file_is_said(tmp_path: Path) -> None:
    noisy = (
        "-vf",
        "scale=320:240,noise=alls=60:allf=t",
        "-c:v",
        "mpeg4",
        "-q:v",
        "2",
    )  # over FFmpeg's buffer
    content = make(tmp_path / "v.mp4", *noisy, "-movflags", "faststart").read_bytes()

    class Half(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) * 6 // 10])
            self.wfile.flush()
            running.socket.close()  # nobody is let in any more

        def log_message(self, *given: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Half)
    thread = threading.Thread(target=running.handle_request)
    thread.start()
    source = open_source(f"http://127.0.0.1:{running.server_port}/v.mp4")
    frames: list[Frame | FerliteError] = []
    with pytest.raises(SourceError, match="is cut short after .* frames: nothing answers there any more"):
        frames.extend(source.frames())
    assert 5 < len(frames) < 45
    source.close()
    thread.join(10)
    running.server_close()


def test_a_recording_without_a_length_over_http_ends_too(tmp_path: Path, server: str) -> None:
    """Its container says nothing of its end, and the server how many bytes there are."""
    make(tmp_path / "v.webm", *VARIABLE, "-c:v", "libvpx", "-f", "webm", "-live", "1")
    source = open_source(f"http://user:secret@{server}/v.webm")
    assert source.total == 0
    frames, errors = drain(source.frames())
    assert (len(frames), errors) == (len(KEPT), [])
    assert frames[0].source == f"http://***@{server}/v.webm"


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_a_file_over_http_ends_and_keeps_its_times(tmp_path: Path, server: str, scheme: str) -> None:
    make(tmp_path / "v.mp4", *VARIABLE)
    assert times(f"{scheme}://{server}/v.mp4") == pytest.approx([n / 25 for n in KEPT], abs=0.002)


def test_a_stream_that_nobody_sends_and_its_password() -> None:
    with pytest.raises(SourceError, match=r"'rtsp://\*\*\*@127\.0\.0\.1:9/x' cannot be opened") as caught:
        open_source("rtsp://admin:hunter2@127.0.0.1:9/x")
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize("scheme", ["srt", "ftp", "foo"])
def test_a_protocol_that_opencv_has_not(scheme: str) -> None:
    with pytest.raises(SourceError, match="rtsp://"):
        open_source(f"{scheme}://127.0.0.1:9/x")


# Cameras


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


def test_frames_are_what_was_recorded(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", 12)
    frames = drain(open_source(str(video)).frames())[0]
    bars = [float(np.mean(frame.image[:, 1:7])) for frame in frames]
    assert bars == pytest.approx([index * 6 for index in range(12)], abs=8)
