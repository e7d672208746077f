"""Capture, search and reading at the same time: what comes out is what one thread would have given."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import cv2
import numpy as np
import pytest

from edge.detect import DetectorOptions
from edge.errors import EngineFailed, FerliteError, FrameLost, SinkError, SourceError
from edge.pipeline import Pipeline, open_pipeline
from edge.results import Face, FrameReadings, Reading
from edge.run import run
from edge.sink import Target
from edge.sinks.json_lines import JsonLinesSink
from edge.source import Frame, Source
from edge.sources.live import LiveSource
from edge.steps import DECODED, MOST_OVERLAP, SEARCHED, Outcome, Steps, default_overlap, with_last
from edge.track import Tracker
from edge.video.pace import MOST_STRETCH, Load
from tests.edge.sources.test_live import SOON, Camera, gone, live
from tests.media import make

DATA = Path(__file__).parents[1] / "data"
MakeBundle = Callable[..., Path]
OVERLAPS = range(1, MOST_OVERLAP + 1)


class Film:
    """Bright squares that wander, so that some are followed, some lost, and expressions are read anew.

    ``fails`` at the frame of its number is yielded, or raised if ``raises``.
    """

    stills, rate, total = False, 10.0, 60
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, fails: Mapping[int, Exception] = MappingProxyType({}), raises: bool = False) -> None:
        self.fails, self.raises, self.given, self.closed = fails, raises, 0, False

    def frames(self) -> Iterator[Frame | FerliteError]:
        for index in range(self.total):
            if error := self.fails.get(index):
                if self.raises or not isinstance(error, FerliteError):
                    raise error
                yield error
                continue
            image = np.random.default_rng(index).integers(0, 20, (192, 256, 3)).astype(np.uint8)
            for number in range(1 + index // 25 % 2):
                top, left = 32 + 64 * number, 32 + 64 * number + index % 7
                image[top : top + 32, left : left + 32] = 250 - 30 * (index // 15 % 2)
            self.given += 1
            yield Frame("film", index, index / 10, image)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pipeline(make_bundle: MakeBundle) -> Iterator[Pipeline]:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    options = DetectorOptions(size=256, model=DATA / "tiny_yunet.onnx")
    with open_pipeline(make_bundle(), "onnx", "yunet", detector_options=options, tracker=Tracker()) as opened:
        yield opened


def lines(pipeline: Pipeline, source: Source, overlap: int, place: Path, **more: Any) -> list[dict[str, Any]]:
    """The JSON lines of a run, less how long each took."""
    sink = JsonLinesSink(Target(str(place)))
    try:
        run(pipeline, source, [sink], overlap=overlap, **more)
    finally:
        sink.close()
    records = [json.loads(line) for line in place.read_text().splitlines()]
    assert all(record.pop("latency_ms") > 0 for record in records)
    return records


def without_numbers(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faces numbered from 1 in the order of their coming: a pipeline never gives a number twice."""
    seen: dict[int, int] = {}
    for record in records:
        for face in record["faces"]:
            face["track"] = seen.setdefault(face["track"], len(seen) + 1)
    return list(records)


def test_the_readings_are_the_same_however_many_steps_go_on_at_once(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    found = [
        without_numbers(lines(pipeline, Film(), overlap, tmp_path / f"{overlap}")) for overlap in OVERLAPS
    ]
    assert len(found[0]) == Film.total and sum(len(record["faces"]) for record in found[0]) > Film.total
    assert found[1] == found[0] and found[2] == found[0]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_failures_of_the_source_come_between_the_frames_where_they_were(
    pipeline: Pipeline, overlap: int
) -> None:
    error, end = SourceError("frame 7 is damaged"), SourceError("the disk is gone")
    with Steps(pipeline, Film({7: error}), overlap=overlap) as steps:
        seen = [each if isinstance(each, FerliteError) else each[0].index for each in steps]
    assert seen == [*range(7), error, *range(8, Film.total)]
    with Steps(pipeline, Film({9: end}, raises=True), overlap=overlap) as steps:
        seen = [each if isinstance(each, FerliteError) else each[0].index for each in steps]
    assert seen == [*range(9), end]


def test_who_watches_a_file_is_told_its_last_frame_whatever_comes_after_and_of_a_camera_the_last_wanted(
    pipeline: Pipeline,
) -> None:
    def watched(source: Source, most: int) -> list[tuple[int, bool]]:
        seen: list[tuple[int, bool]] = []

        def watch(frame: Frame, result: FrameReadings, last: bool) -> FrameReadings:
            seen.append((frame.index, last))
            return result

        run(pipeline, source, [], watch=watch, most=most, quiet=True)
        return seen

    damaged, gone = SourceError("frame 7 is damaged"), SourceError("the disk is gone")
    for film, most, indices in [
        (Film(), 0, range(Film.total)),
        (Film(), 5, range(5)),
        (Film({7: damaged}), 0, [each for each in range(Film.total) if each != 7]),
        (Film({Film.total - 1: damaged}), 0, range(Film.total - 1)),
        (Film({9: gone}, raises=True), 0, range(9)),
    ]:
        *others, final = watched(film, most)
        assert [index for index, _ in others] + [final[0]] == [*indices]
        assert final[1] and not any(last for _, last in others)
    shown = Camera(live, shape=(192, 256))
    camera = LiveSource("cam", lambda: shown)
    assert [last for _, last in watched(camera, 3)] == [False, False, True]
    camera.close()


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_camera_that_gives_nothing_at_first_is_waited_for(pipeline: Pipeline, overlap: int) -> None:
    """One that ends by itself after its frames, so that a run over all of them has an end."""
    shown = Camera(gone, *[live] * 20, gone, shape=(192, 256))
    camera = LiveSource("cam", lambda: shown, patience=SOON, endless=False)
    said: list[str] = []
    summary = run(
        pipeline, camera, [], overlap=overlap, complain=lambda error: said.append(str(error)), quiet=True
    )
    camera.close()
    assert said == ["'cam' gave nothing for a moment"]
    assert summary.frames > 0 and summary.failures == 0


def test_a_failure_comes_after_the_frame_that_waited_before_it() -> None:
    frame = cast(Outcome, ("frame", "readings"))
    error = SourceError("damaged")
    assert list(with_last([error, frame, error, frame, error])) == [
        (error, False),
        (frame, False),
        (error, False),
        (frame, True),
        (error, False),
    ]
    assert list(with_last([])) == []

    for end in (EngineFailed("the NPU is gone"), KeyboardInterrupt()):

        def broken(end: BaseException = end) -> Iterator[Outcome]:
            yield frame
            raise end

        seen = []
        with pytest.raises(type(end)):
            for each in with_last(broken()):
                seen.append(each)
        assert seen == [(frame, True)]
    left = with_last([frame, frame, frame])
    assert next(left) == (frame, False)
    left.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_what_nobody_expected_of_a_source_reaches_who_takes_the_readings(
    pipeline: Pipeline, overlap: int
) -> None:
    seen = []
    with (
        pytest.raises(ZeroDivisionError),
        Steps(pipeline, Film({5: ZeroDivisionError()}), overlap=overlap) as steps,
    ):
        for each in steps:
            assert not isinstance(each, FerliteError)
            seen.append(each[0].index)
    assert seen == list(range(5))


class Failing:
    """A detector that fails at its third search."""

    scores, searches = False, 0

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        self.searches += 1
        if self.searches == 3:
            raise EngineFailed("the NPU is gone")
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_an_engine_that_fails_ends_the_run_after_the_frames_before(
    pipeline: Pipeline, tmp_path: Path, overlap: int
) -> None:
    failing = Pipeline(
        pipeline.bundle, Failing(), pipeline._classifier, pipeline.chosen, Tracker(), detect_every=1
    )
    with pytest.raises(EngineFailed, match="the NPU is gone"):
        lines(failing, Film(), overlap, tmp_path / "out")
    assert [json.loads(line)["frame"] for line in (tmp_path / "out").read_text().splitlines()] == [0, 1]


class Full:
    """A way out that is full after three frames."""

    name, frames = "full", 0

    def write(self, frame: Frame, result: FrameReadings) -> None:
        self.frames += 1
        if self.frames == 3:
            raise SinkError("the disk is full")

    def close(self) -> None:
        pass


@pytest.fixture
def ours() -> Callable[[], list[str]]:
    """Names of the threads that this test began and that still run."""
    before = threading.enumerate()
    return lambda: [
        each.name for each in threading.enumerate() if each not in before and each.name.startswith("ferlite-")
    ]


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_run_that_ends_early_leaves_no_thread_and_has_decoded_little_more(
    pipeline: Pipeline, overlap: int, ours: Callable[[], list[str]]
) -> None:
    film = Film()
    with pytest.raises(SinkError, match="the disk is full"):
        run(pipeline, film, [Full()], overlap=overlap)
    assert ours() == []
    # Those that are made, those that are in hand at each step, and those that were given out.
    assert film.given <= 3 + (overlap > 1) * (DECODED + 1) + (overlap > 2) * (SEARCHED + 1)


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_no_more_than_the_frames_that_were_asked_for_are_decoded(
    pipeline: Pipeline, overlap: int, ours: Callable[[], list[str]]
) -> None:
    film = Film()
    assert run(pipeline, film, [], most=5, overlap=overlap).frames == 5
    assert film.given == 5 and ours() == []


class Slow:
    """A reader that waits until so many frames came, keeps what it is told, and loses one frame."""

    def __init__(self, camera: Camera) -> None:
        self.camera, self.told, self.read = camera, [], 0  # type: ignore[var-annotated]

    def __call__(self, frame: np.ndarray, time: float | None = None) -> list[Reading]:
        self.read += 1
        until = self.camera.count + 3
        while self.camera.count < until:
            threading.Event().wait(0.001)
        if self.read == 2:
            raise FrameLost("the engine's process ended")
        return []

    def restart(self) -> None:
        pass

    def hurry(self, behind: float) -> None:
        self.told.append(behind)


def test_of_a_camera_the_newest_frame_is_read_and_the_pipeline_hears_how_late_it_is() -> None:
    shown = Camera(live)
    source, slow = LiveSource("cam", lambda: shown), Slow(shown)
    said: list[FerliteError] = []
    done = run(slow, source, [], most=12, overlap=3, complain=said.append)
    source.close()
    assert (done.frames, [str(error) for error in said]) == (11, ["the engine's process ended"])
    assert source.dropped >= 2 * 10 and slow.told[0] == 1.0 and max(slow.told) > 1.0


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_camera_that_is_not_kept_up_with_is_searched_less_often(pipeline: Pipeline, overlap: int) -> None:
    shown = Camera(live, shape=(192, 256))

    class Late(Full):
        def write(self, frame: Frame, result: FrameReadings) -> None:
            until = shown.count + 4
            while shown.count < until:
                threading.Event().wait(0.001)

    source = LiveSource("cam", lambda: shown)
    assert pipeline._follower.searches.stretch == 1.0
    run(pipeline, source, [Late()], most=15, overlap=overlap)
    source.close()
    assert pipeline._follower.searches.stretch > 1.0
    pipeline.hurry(100.0)
    assert pipeline._follower.searches.stretch == MOST_STRETCH
    pipeline.hurry(0.5)
    assert pipeline._follower.searches.stretch == 1.0


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_camera_that_says_nothing_holds_up_nobody_who_leaves(
    pipeline: Pipeline, overlap: int, ours: Callable[[], list[str]]
) -> None:
    silent, left = threading.Event(), threading.Event()

    def quiet(camera: Camera) -> tuple[bool, np.ndarray | None]:
        silent.set()
        left.wait(60)
        return False, None

    shown = Camera(live, live, quiet, shape=(192, 256))
    source = LiveSource("cam", lambda: shown)

    class Leaves(Full):
        def write(self, frame: Frame, result: FrameReadings) -> None:
            silent.wait(60)
            raise SinkError("the disk is full")

    with pytest.raises(SinkError, match="the disk is full"):
        run(pipeline, source, [Leaves()], overlap=overlap)
    assert "ferlite-search" not in ours()
    left.set()
    source.close()


def test_stills_go_one_after_the_other(pipeline: Pipeline, ours: Callable[[], list[str]]) -> None:
    class Folder(Film):
        stills = True

        def frames(self) -> Iterator[Frame | FerliteError]:
            for frame in super().frames():
                assert isinstance(frame, Frame)
                yield replace(frame, time=None)

    folder = Folder()
    with Steps(pipeline, folder, most=3, overlap=3) as steps:
        assert ours() == []
        results = [each[1] for each in steps if not isinstance(each, FerliteError)]
    assert [result.latency for result in results] == [None] * 3 and folder.given == 3


def test_one_processor_has_no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, overlap in ((1, 1), (2, 2), (16, MOST_OVERLAP)):
        monkeypatch.setattr("edge.steps.allowed_processors", lambda there=processors: there)
        assert default_overlap() == overlap


def test_load_is_what_came_over_what_was_read_in_the_last_second() -> None:
    load = Load()
    assert [load.after(0, moment / 30) for moment in range(60)] == [1.0] * 60
    for moment in range(90):
        behind = load.after(2, 2 + moment / 30)
    assert 2.8 < behind < 3.0
    for moment in range(90):
        behind = load.after(0, 5 + moment / 30)
    assert 1.0 < behind < 1.2


def test_a_driver_that_stamps_its_frames_is_believed_unless_it_stamps_nonsense() -> None:
    import time

    class Stamped(Camera):
        late = 0.0

        def get(self, key: int) -> float:
            return 1000 * (time.monotonic() - self.late) if key == cv2.CAP_PROP_POS_MSEC else super().get(key)

    for late, believed in ((0.8, True), (5.0, False), (-5.0, False)):
        shown = Stamped(live)
        shown.late = late
        source = LiveSource("cam", lambda shown=shown: shown, stamped=True)  # type: ignore[misc]
        seen = []
        for frame in source.frames():
            assert isinstance(frame, Frame)
            seen.append(time.monotonic() - frame.captured)
            if len(seen) == 5:
                break
        source.close()
        assert (min(seen) >= 0.8) == believed


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_pipe_that_stalls_does_not_keep_a_run_from_ending(
    overlap: int, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    """The read hangs inside FFmpeg, and Ctrl-C ends the run all the same, with whole lines."""
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    video = make(tmp_path / "v.mkv", "-pix_fmt", "yuv420p").read_bytes()
    order = [sys.executable, "-m", "edge.cli", "run", "-", "--json", "--bundle", str(make_bundle())]
    order += ["--detector", "haar", "--overlap", str(overlap), "--quiet"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(order, preexec_fn=heed, **pipes) as process:  # noqa: PLW1509
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(video[: len(video) // 2])
        process.stdin.flush()
        lines = [process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
        assert (process.wait(60), process.stderr.read()) == (130, b"")
    assert [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
