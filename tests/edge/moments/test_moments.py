"""Movements that come and go: how far parts of a face went, when, what is no such thing, and what is said."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import bundle as bundles
from edge import cli
from edge.classify import load_classifier
from edge.engine import EngineOptions
from edge.moments.motion import FaceMotion, Motion, without_head
from edge.moments.regions import GRID, INSIDE, REGIONS, X, Y
from edge.moments.rule import RuleSpotter, Span
from edge.moments.watch import FEWEST, Watcher, _Look, _Watched, too_few
from edge.results import Face, FrameReadings, Moment, Reading
from edge.run import spotter_of
from edge.sinks.json_lines import as_json
from edge.sinks.strip import Strip, label_of
from edge.sinks.timeline import TimelineSink
from edge.source import Frame
from tests.edge.moments.acted import (
    FACE,
    a_film,
    brows_raised,
    hill,
    motions,
    noisy,
    photograph,
    spotted,
    write_film,
)

RATES = (50.0, 100.0, 200.0)


def test_a_head_that_shifts_turns_and_grows_moves_no_part_and_a_part_that_moves_stays() -> None:
    x, y = (X - 0.5) * 96, (Y - 0.5) * 96
    head = np.stack([1.5 + 0.02 * x - 0.03 * y, -0.7 + 0.03 * x + 0.02 * y], 1).astype(np.float32)
    own, off = without_head(head)
    assert np.abs(own).max() < 0.01 and off < 0.01
    brow = INSIDE[REGIONS.index("left brow")]
    head[brow, 1] -= 1.2
    own, _ = without_head(head)
    assert own[brow, 1] == pytest.approx(-1.2, abs=0.05)
    assert np.abs(own[~brow]).max() < 0.05
    assert len(own) == GRID * GRID


@pytest.mark.parametrize("far", [0.02, 0.05])
def test_raised_brows_are_measured_while_the_head_moves_and_the_mouth_is_still(far: float) -> None:
    rng, still, measure = np.random.default_rng(0), photograph(), FaceMotion()
    measure(noisy(still, rng), FACE)
    shift = np.array([[1, 0, 1.4], [0, 1, -0.8]])
    moved = cv2.warpAffine(brows_raised(still, far), shift, still.shape[1::-1], flags=cv2.INTER_CUBIC)
    parts = measure(noisy(moved, rng), FACE).parts
    # The mean over a part of which the middle alone goes all the way, by a flow that smooths.
    assert -far < parts[REGIONS.index("between the brows"), 1] < -0.35 * far
    mouth = parts[[REGIONS.index(name) for name in ("upper lip", "lower lip", "chin")]]
    assert np.abs(mouth).max() < 0.2 * far + 0.003


def test_another_picture_is_not_compared() -> None:
    measure, rng = FaceMotion(), np.random.default_rng(0)
    measure(photograph(), FACE)
    other = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    assert measure(cv2.resize(other, photograph().shape[1::-1]), FACE).lost


@pytest.mark.parametrize("rate", RATES)
def test_onset_apex_and_offset_are_where_they_are_at_any_frame_rate(rate: float) -> None:
    ways = {name: lambda t: 0.03 * hill(t, 2.0, 2.3) for name in ("left brow", "right brow")}
    (span,) = spotted(motions(4, rate, ways))
    assert span.micro and span.onset == pytest.approx(2.0, abs=0.06)
    assert span.apex == pytest.approx(2.15, abs=0.02) and span.offset == pytest.approx(2.3, abs=0.06)
    assert set(span.regions) == {"left brow", "right brow"}


def test_a_second_movement_is_spotted_after_the_first() -> None:
    ways = {"nose": lambda t: 0.03 * max(hill(t, 2, 2.3), hill(t, 3.2, 3.4))}
    first, second = spotted(motions(5, 100, ways))
    assert first.offset < 2.4 and second.onset > 3.1


def test_longer_than_half_a_second_is_no_micro_movement() -> None:
    (span,) = spotted(motions(6, 100, {"nose": lambda t: 0.05 * hill(t, 2, 3.5, 0.3)}))
    assert not span.micro and span.offset - span.onset > 1


def test_what_comes_and_stays_is_none_and_the_next_is_spotted() -> None:
    def way(time: float) -> float:
        return (0.05 if time > 2.1 else 0.05 * hill(time, 2.0, 2.2)) + 0.03 * hill(time, 7, 7.3)

    spans = [span for span in spotted(motions(9, 100, {"left brow": way})) if span.micro]
    assert [span.apex for span in spans] == [pytest.approx(7.15, abs=0.03)]


def test_a_blink_is_none() -> None:
    ways = {name: lambda t: -0.15 * hill(t, 2, 2.3) for name in ("left eye", "right eye")}
    ways["left brow"] = lambda t: -0.02 * hill(t, 2, 2.3)
    assert spotted(motions(5, 100, ways)) == []


def test_talk_is_said_and_one_movement_of_the_mouth_is_not_talk() -> None:
    def talk(time: float) -> float:
        return max(0.06 * hill(time, start, start + 0.2) for start in (2.0, 2.25, 2.5, 2.75, 3.0))

    spans = spotted(motions(6, 100, {"lower lip": talk, "chin": talk}))
    assert spans and all(span.talking for span in spans if span.micro)
    (alone,) = spotted(motions(6, 100, {"lower lip": lambda t: 0.04 * hill(t, 2, 2.3)}))
    assert not alone.talking


def test_a_face_that_does_nothing_gives_nothing() -> None:
    assert spotted(motions(30, 100, {"chin": lambda t: 0.01 * np.sin(t)})) == []


def test_a_face_that_was_lost_is_learnt_anew() -> None:
    moved = [
        (time, Motion(motion.parts, 1.9 < time < 2.3, motion.place))
        for time, motion in motions(5, 100, {"nose": lambda t: 0.05 * hill(t, 2, 2.3)})
    ]
    assert spotted(iter(moved)) == []


def watched(watcher: Watcher, frames: list[Frame]) -> list[FrameReadings]:
    reading = Reading(FACE, {"neutral": 1.0}, "neutral", (), 1)
    return [
        watcher(frame, FrameReadings(frame.source, frame.index, frame.time, 168, 180, (reading,)))
        for frame in frames
    ]


def moments_of(results: list[FrameReadings]) -> list[Moment]:
    return [moment for result in results for moment in result.moments or ()]


def test_a_film_at_100_frames_a_second_gives_the_moment_with_what_the_network_says() -> None:
    bundle = bundles.load("")
    engine = next(iter(bundle.files))
    said: list[str] = []
    watcher = Watcher(bundle, load_classifier(bundle, engine, EngineOptions(threads=1)), said.append)
    results = watched(watcher, a_film(100))
    watcher.close()
    (moment,) = moments_of(results)
    assert moment.kind == "micro" and moment.track == 1 and moment.doubts == () and said == []
    assert moment.apex == pytest.approx(2.15, abs=0.02) and "brow" in moment.regions[0]
    assert set(moment.rises) == set(bundle.labels)
    assert sum(moment.rises.values()) == pytest.approx(0, abs=1e-5)
    toned = [replace(r, moments=(replace(moment, tone="surprise"),)) for r in results if r.moments]
    assert as_json(toned[0])["moments"][0]["tone"] == "surprise" and label_of(moment) == moment.regions[0]
    assert label_of(toned[0].moments[0]) == "tone surprise"  # type: ignore[index]
    table = as_json(next(result for result in results if result.moments))
    assert (
        table["moments"][0]["tone"] is None
        and table["moments"][0]["apex"] == round(moment.apex, 4)
        and len(table["motion"]) == 1
    )


class Hasty(RuleSpotter):
    """Tells a short and a longer movement at every frame."""

    def __call__(self, time: float, motion: Motion) -> list[Span]:
        super().__call__(time, motion)
        return [
            Span(time - length, time - length / 2, time, motion.parts + 0.1, 9.0) for length in (0.2, 0.9)
        ]


def test_few_frames_a_second_are_said_once_and_doubted_and_fewer_tell_no_short_movement() -> None:
    said: list[str] = []
    watcher = Watcher(bundles.load(""), None, said.append)
    (moment,) = moments_of(watched(watcher, a_film(25)))
    assert moment.doubts == ("25 frames a second are few",)
    assert len(said) == 1 and said[0].startswith("25 frames a second are few for --moments")
    said.clear()
    assert moments_of(watched(Watcher(bundles.load(""), None, said.append), a_film(12))) == []
    assert len(said) == 1 and "too few" in said[0]
    # Before it is known how many come a second, the few are not believed either.
    early = Watcher(bundles.load(""), None, spotter=Hasty)
    assert [each.kind for each in moments_of(watched(early, a_film(12)[:10]))] == ["macro"] * 10
    assert too_few(50) == too_few(None) == "" and too_few(FEWEST - 1) != too_few(FEWEST + 1)


def test_a_network_watches_faces_with_landmarks_and_the_rule_the_others_which_is_said_once() -> None:
    made: list[int] = []

    class Counted(RuleSpotter):
        def __init__(self) -> None:
            super().__init__()
            made.append(1)

    said: list[str] = []
    watcher = Watcher(bundles.load(""), None, said.append, Counted)
    (moment,) = moments_of(watched(watcher, a_film(100)))
    assert made == [1] and said == [] and moment.kind == "micro"
    bare = replace(FACE, landmarks=None)
    for track in (2, 3):
        reading = Reading(bare, {"neutral": 1.0}, "neutral", (), track)
        frame = a_film(100)[0]
        watcher(frame, FrameReadings("other", frame.index, frame.time, 168, 180, (reading,)))
    assert made == [1] and len(said) == 1 and "these have none" in said[0]


@pytest.mark.parametrize("spotter", ["rule", "network"])
def test_what_ended_just_before_the_last_frame_is_told_with_it_and_no_movement_that_did_not_end(
    spotter: str,
) -> None:
    with ExitStack() as finish:
        make = spotter_of("rule" if spotter == "rule" else "", finish)
        for seconds, many in [(2.33, 1), (2.2, 0), (1.5, 0)]:
            frames = a_film(100, seconds)
            watcher = Watcher(bundles.load(""), None, spotter=make)
            results = watched(watcher, frames[:-1])
            assert moments_of(results) == []
            reading = results[-1].readings
            last = FrameReadings("film", len(results), frames[-1].time, 168, 180, reading)
            found = watcher(frames[-1], last, True).moments or ()
            assert len(found) == many
            for moment in found:
                assert moment.kind == "micro" and moment.track == 1
                assert moment.apex == pytest.approx(2.15, abs=0.02) and moment.offset < 2.33
            # Nobody is watched any longer.
            assert watcher(frames[-1], last, True).moments == ()


def test_what_was_over_is_told_though_another_part_moves_or_the_face_is_lost_at_the_end() -> None:
    def known(brow: float, lost: float) -> list[Span]:
        ways = {
            "upper lip": lambda t: 0.06 * hill(t, 2.34, 2.56),
            "left brow": lambda t: 0.05 * hill(t, brow, brow + 0.4),
        }
        watched, spans = _Watched(RuleSpotter()), []
        for time, motion in motions(3.0, 100, ways):
            spans += watched.takes(time, replace(motion, lost=time >= lost), 100.0)
            watched.looks.append(_Look(time, photograph(), motion.place, 0.0))
        return [*spans, *watched.stays(100.0)]

    (calm,), (moving,), (lost,) = (known(*each) for each in [(9, 9), (2.85, 9), (9, 2.9)])
    for span in (calm, moving, lost):
        assert span.apex == pytest.approx(2.45, abs=0.03) and span.regions[0] == "upper lip" and span.of_mouth


def test_what_a_face_did_just_before_it_went_is_told_when_it_is_forgotten() -> None:
    watcher = Watcher(bundles.load(""), None)
    assert moments_of(watched(watcher, a_film(100, 2.33))) == []
    gone = a_film(100)[0]
    for time in (2.4, 3.2):
        assert watcher(gone, FrameReadings("film", 300, time, 168, 180, ())).moments == ()
    (moment,) = watcher(gone, FrameReadings("film", 301, 3.4, 168, 180, ())).moments or ()
    assert moment.track == 1 and moment.apex == pytest.approx(2.15, abs=0.02)
    assert watcher(gone, FrameReadings("film", 302, 3.5, 168, 180, ())).moments == ()


def test_a_head_that_turns_is_doubted() -> None:
    watcher, results = Watcher(bundles.load(""), None), []
    for frame in a_film(100):
        far = 2 * round(40 * max(0.0, (frame.time or 0) - 2))
        assert FACE.landmarks is not None
        a, b, c, d, e = ((x + far, y) for x, y in FACE.landmarks)
        reading = Reading(Face(FACE.box, FACE.score, (a, b, c, d, e)), {"neutral": 1.0}, "neutral", (), 1)
        moved = replace(frame, image=np.roll(frame.image, far, 1))
        results.append(watcher(moved, FrameReadings("film", frame.index, frame.time, 168, 180, (reading,))))
    (moment,) = moments_of(results)
    assert moment.doubts == ("the head turns",)


def test_the_timeline_and_the_strip_show_what_was_spotted(tmp_path: Path) -> None:
    results = watched(Watcher(bundles.load(""), None), a_film(50))
    frame = Frame("film", 0, 0.0, photograph())
    for name in ("t.svg", "t.png"):
        sink = TimelineSink(tmp_path / name)
        for result in results:
            sink.write(frame, result)
        sink.close()
        sink.close()
    svg = (tmp_path / "t.svg").read_text()
    assert moments_of(results)[0].regions[0] in svg and "seconds" in svg and "<polyline" in svg
    drawn = cv2.imread(str(tmp_path / "t.png"))
    assert drawn is not None and (drawn == (90, 170, 60)).all(2).sum() > 500
    strip, picture = Strip(), photograph().copy()
    for result in results:
        strip.take(result)
    strip.draw(picture, results[-1].time or 0.0)
    assert (picture[:144] == photograph()[:144]).all() and (picture[-30:] != photograph()[-30:]).any()


def test_a_timeline_without_a_face_says_so(tmp_path: Path) -> None:
    TimelineSink(tmp_path / "t.svg").close()
    assert "no face" in (tmp_path / "t.svg").read_text()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.avi", 100)


def test_run_prints_moments_and_draws_them_only_if_asked(
    film: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = ["run", str(film), "--detector", "haar", "--threads", "1", "--json"]
    assert cli.main([*plain, "--most", "30"]) == 0
    assert all("moments" not in json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert cli.main([*plain, "--moments", "--timeline", str(tmp_path / "t.svg")]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    found = [moment for line in lines for moment in line["moments"] if moment["kind"] == "micro"]
    assert len(found) == 1 and found[0]["apex"] == pytest.approx(2.15, abs=0.03)
    assert (tmp_path / "t.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--moments", "--isolate"], "does not go with --isolate"),
        (["--timeline", "t.svg"], "add --moments"),
        (["--moments", "--timeline", "t.pdf"], "must end with .svg or .png"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    typed: list[str], said: str, film: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", str(film), *typed]) == 2
    error = capfd.readouterr().err
    assert said in error and error.count("\n") == 1


def test_pictures_do_not_move(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), photograph())
    assert cli.main(["run", str(tmp_path / "a.png"), "--moments", "--quiet", "--detector", "haar"]) == 2
    assert "give a video or a camera" in capfd.readouterr().err
