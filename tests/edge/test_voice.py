"""A voice beside a face: what is heard, how both are joined, what is refused, and that nothing is kept."""

from __future__ import annotations

import math
import os
import stat
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge import cli
from edge.errors import SourceError, UsageError
from edge.results import Box, Face, FrameReadings, Reading, VoiceReading
from edge.sinks.json_lines import as_json
from edge.voice.fuse import Fuser, Moment, fused
from edge.voice.listener import NO_VOICE, Listener
from edge.voice.mel import BANDS, FRAMES, RATE, SAMPLES, SILENCE, log_mel, loudness, picture
from edge.voice.reader import presence
from edge.voice.sound import Microphone, PipedSound, Samples, WavSound, open_sound
from tests import media

RELIABLE = {"face": {"anger": 0.5, "joy": 0.5, "surprise": 0.5}, "voice": {"anger": 0.5, "joy": 0.5}}
FACE = Face(Box(10, 10, 40, 40))


def tone(hertz: float, seconds: float = 1.0, level: float = 0.3) -> Samples:
    at = np.arange(round(seconds * RATE)) / RATE
    return (level * 32767 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def speech(seconds: float = 3.0) -> Samples:
    """Syllables: four bursts of a buzz a second, silence between."""
    at = np.arange(round(seconds * RATE)) / RATE
    return (tone(180, seconds) * (np.sin(2 * np.pi * 4 * at) > 0)).astype(np.int16)


def wav(path: Path, samples: Samples, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_a_tone_is_loudest_in_the_band_that_holds_it_and_the_next_octave_is_higher() -> None:
    loudest = [int(log_mel(tone(hertz)).mean(0).argmax()) for hertz in (250, 500, 1000, 2000, 4000)]
    assert loudest == sorted(set(loudest))
    mel = 2595 * math.log10(1 + 1000 / 700)
    low, high = (2595 * math.log10(1 + edge_ / 700) for edge_ in (60, 7600))
    assert abs(loudest[2] - ((mel - low) / (high - low) * (BANDS + 1) - 1)) <= 1


def test_log_mel_has_a_frame_for_each_whole_window_and_silence_at_its_floor() -> None:
    assert log_mel(np.zeros(SAMPLES, np.int16)).shape == (FRAMES, BANDS)
    assert log_mel(np.zeros(399, np.int16)).shape == (0, BANDS)
    assert np.allclose(log_mel(np.zeros(SAMPLES, np.int16)), SILENCE)


def test_a_microphones_gain_does_not_count() -> None:
    loud, soft = speech()[:SAMPLES], (speech()[:SAMPLES] // 8).astype(np.int16)
    noise = np.random.default_rng(1).normal(0, 200, SAMPLES)
    one, other = (
        picture(log_mel((each + noise / part).astype(np.int16))) for each, part in ((loud, 1), (soft, 8))
    )
    assert one.shape == (BANDS, FRAMES) and np.abs(one.astype(int) - other).mean() < 3
    assert loudness(loud) - loudness(soft) == pytest.approx(20 * math.log10(8), abs=0.1)


def test_there_is_a_voice_in_syllables_and_none_in_silence_or_steady_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, SAMPLES).astype(np.int16)
    assert presence(log_mel(speech()[:SAMPLES])) == 1.0
    assert presence(log_mel(noise)) == presence(log_mel(np.zeros(SAMPLES, np.int16))) == 0.0
    some = presence(log_mel((speech()[:SAMPLES] + noise).astype(np.int16)))
    assert 0 < some < 1


def test_both_are_joined_by_how_far_each_is_believed_and_there() -> None:
    face, voice = {"anger": 0.6, "joy": 0.2, "surprise": 0.2}, {"anger": 0.1, "joy": 0.9}
    joined = fused(face, 1.0, voice, 1.0, RELIABLE)
    assert joined is not None and sum(joined.values()) == pytest.approx(1)
    # Shares alike; of what the voice has a word for it says 0.8 of all.
    summed = fused(face, 1.0, voice, 1.0, RELIABLE, power=1.0)
    assert summed is not None and summed["joy"] == pytest.approx((0.2 + 0.8 * 0.9) / 2)
    assert summed["surprise"] == pytest.approx(face["surprise"])
    squares = {"anger": (0.6**0.5 + 0.08**0.5) ** 2, "joy": (0.2**0.5 + 0.72**0.5) ** 2, "surprise": 4 * 0.2}
    assert joined["joy"] == pytest.approx(squares["joy"] / sum(squares.values()))
    assert fused(face, 1.0, voice, 0.0, RELIABLE) == face
    assert fused(None, 0.0, voice, 1.0, RELIABLE) == voice
    assert fused(None, 0.0, None, 0.0, RELIABLE) is None
    trusted = fused(face, 1.0, voice, 1.0, {**RELIABLE, "voice": {"anger": 0.5, "joy": 1.0}})
    assert trusted is not None and trusted["joy"] > joined["joy"]


def moments(fuser: Fuser, *told: tuple[dict[str, float], float]) -> dict[str, float]:
    weights: dict[str, float] | None = None
    for number, (face, there) in enumerate(told):
        voice = VoiceReading({"anger": 0.5, "joy": 0.5}, there, -20) if there else None
        weights = fuser(Moment(0.2 * number, face, voice))
    assert weights is not None
    return weights


def test_moments_in_which_something_is_said_count_more_than_the_silent_ones_between() -> None:
    angry, calm = {"anger": 0.9, "joy": 0.05, "surprise": 0.05}, {"anger": 0.1, "joy": 0.1, "surprise": 0.8}
    told = [(angry, 1.0), (calm, 0.0)] * 3
    assert (
        moments(Fuser(RELIABLE), *told)["anger"] > moments(Fuser(RELIABLE, key_moments=False), *told)["anger"]
    )


def test_a_moment_is_forgotten_after_two_seconds_and_two_are_not_of_the_same_instant() -> None:
    fuser = Fuser(RELIABLE)
    joy, angry = {"anger": 0.0, "joy": 1.0, "surprise": 0.0}, {"anger": 1.0, "joy": 0.0, "surprise": 0.0}
    for number in range(50):
        fuser(Moment(number / 50, joy, None))
    assert fuser(Moment(10.0, angry, None)) == angry


class Heard:
    """A sound of a test's making."""

    name = "heard"

    def __init__(self, samples: Samples | None, over_at: float = math.inf) -> None:
        self.samples, self.over_at = samples, over_at

    def last(self, now: float) -> Samples | None:
        if now >= self.over_at:
            raise SourceError("voice 'heard' has ended")
        return self.samples

    def close(self) -> None:
        pass


class Says:
    """Stands where a VoiceReader does, for what is told of presence and weights alone."""

    class bundle:  # noqa: N801 - a field of that name
        reliability = RELIABLE

    def __call__(self, samples: Samples) -> VoiceReading:
        return VoiceReading({"anger": 0.9, "joy": 0.1}, presence(log_mel(samples)), loudness(samples))


def frame(time_: float, faces: int = 1) -> FrameReadings:
    reading = Reading(FACE, {"anger": 0.3, "joy": 0.4, "surprise": 0.3}, "joy", (), 1)
    return FrameReadings("c", 0, time_, 64, 48, (reading,) * faces)


def listening(sound: Heard, said: list[str] | None = None) -> Listener:
    told = said if said is not None else []
    return Listener(sound, Says(), lambda error: told.append(str(error)))  # type: ignore[arg-type]


def test_one_face_is_read_with_the_voice_and_several_without() -> None:
    listener = listening(Heard(speech()[:SAMPLES]))
    one, two = listener(frame(0.0)), listener(frame(0.04, faces=2))
    assert one.readings[0].expression == "anger" and not one.readings[0].doubts
    assert one.voice is not None and one.voice.fused
    assert two.readings == frame(0.04, faces=2).readings
    assert two.voice is not None and not two.voice.fused and two.voice.presence == 1


def test_a_face_without_a_voice_is_as_it_was_and_says_so() -> None:
    for sound in (Heard(None), Heard(np.zeros(SAMPLES, np.int16))):
        (reading,) = listening(sound)(frame(0.0)).readings
        assert reading.weights == frame(0.0).readings[0].weights
        assert reading.doubts == (NO_VOICE,) and reading.label == "uncertain"


def test_a_sound_that_ends_is_told_once_and_the_run_goes_on() -> None:
    said: list[str] = []
    listener = listening(Heard(speech()[:SAMPLES], over_at=1.0), said)
    for number in range(100):
        last = listener(frame(number / 25))
    assert said == ["voice 'heard' has ended"]
    assert last.readings[0].doubts == (NO_VOICE,)


def test_json_lines_say_what_was_heard_and_nothing_where_nobody_listened() -> None:
    line = as_json(listening(Heard(speech()[:SAMPLES]))(frame(0.0)))
    assert line["voice"] == {
        "presence": 1.0,
        "loudness_db": round(loudness(speech()[:SAMPLES]), 1),
        "weights": {"anger": 0.9, "joy": 0.1},
        "fused": True,
    }
    assert "voice" not in as_json(frame(0.0))
    assert as_json(listening(Heard(None))(frame(0.0)))["voice"]["weights"] == {}


def test_a_wav_is_heard_where_the_video_is(tmp_path: Path) -> None:
    samples = speech()
    sound = WavSound(wav(tmp_path / "v.wav", samples))
    heard = sound.last(2.0)
    assert heard is not None
    np.testing.assert_array_equal(heard, samples[2 * RATE - SAMPLES : 2 * RATE])
    assert sound.last(0.5) is None and sound.last(9.0) is None
    sound.close()
    both = np.stack([samples, samples], 1).ravel()
    pair = WavSound(wav(tmp_path / "s.wav", both, channels=2))
    np.testing.assert_array_equal(pair.last(2.0), heard)
    pair.close()


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "rate": (
        lambda path: wav(path, speech(), 44100),
        "has 44100 samples a second, and 16000 are heard: ffmpeg",
    ),
    "empty": (lambda path: wav(path, np.zeros(0, np.int16)), "holds no sound"),
    "zero bytes": (lambda path: path.write_bytes(b""), "holds no sound: the file is empty"),
    "text": (lambda path: path.write_text("never a sound"), "is no WAV file: ffmpeg -i"),
    "cut": (lambda path: path.write_bytes(wav(path, speech()).read_bytes()[:30]), "is no WAV file"),
    "a chunk that ends early": (
        lambda path: path.write_bytes(wav(path, speech()).read_bytes()[:36] + b"LIST" + b"\xff" * 9),
        "is no WAV file",
    ),
    "missing": (lambda path: None, "cannot be read: No such file"),
    "channels": (lambda path: wav(path, speech(1.2), channels=3), "has 3 channels of 16 bits"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_heard_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    make, sentence = BAD[case]
    make(tmp_path / "v.wav")
    with pytest.raises(SourceError, match=sentence) as caught:
        open_sound(str(tmp_path / "v.wav"))
    assert "\n" not in str(caught.value)


def test_samples_that_come_in_odd_pieces_are_heard_whole_and_only_the_last_second_is_kept() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(reading, "rb", buffering=0)
    sound = PipedSound("standard input", stream)
    assert sound.last(0.0) is None
    samples, content = speech(), speech().astype("<i2").tobytes()
    for start in range(0, len(content), 777):
        os.write(writing, content[start : start + 777])
    until = time.monotonic() + 20
    while time.monotonic() < until:
        heard = sound.last(0.0)
        if heard is not None and np.array_equal(heard, samples[-SAMPLES:]):
            break
        time.sleep(0.01)
    else:
        pytest.fail("the last second was never heard")
    kept = sum(len(piece) for piece in sound._pieces)
    assert kept == SAMPLES
    os.close(writing)
    until = time.monotonic() + 20
    with pytest.raises(SourceError, match="voice 'standard input' has ended"):
        while time.monotonic() < until:
            sound.last(0.0)
            time.sleep(0.01)
    stream.close()


def program(folder: Path, text: str) -> None:
    """A program called arecord, found before any other."""
    file = folder / "arecord"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_a_microphone_that_alsa_does_not_know_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "echo 'arecord: main:831: audio open error: No such file or directory' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SourceError, match=r"'alsa:nowhere' cannot be heard \(.*No such file.*arecord -L"):
        Microphone("nowhere")
    with pytest.raises(UsageError, match="alsa: needs a name"):
        open_sound("alsa:")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(SourceError, match="needs the program arecord: install alsa-utils"):
        Microphone("default")


def test_a_microphone_is_heard_and_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wav(tmp_path / "v.wav", speech())
    program(tmp_path, f"tail -c +45 '{tmp_path}/v.wav'; exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sound = Microphone("default")
    until, heard = time.monotonic() + 20, None
    while heard is None and time.monotonic() < until:
        heard = sound.last(0.0)
    sound.close()
    assert heard is not None and len(heard) == SAMPLES
    assert sound._process.poll() is not None


CASES = {
    "still": (["p.png", "--voice", "v.wav"], 2, "--voice goes with one video or camera"),
    "rate": (["v.avi", "--voice", "fast.wav"], 1, "has 44100 samples a second"),
    "both": (["-", "--voice", "-"], 2, "cannot both be standard input"),
    "over": (["v.avi", "--voice", "v.wav", "--sink", "jsonl:v.wav"], 2, "is read in this run"),
    "cluster": (
        ["v.avi", "--voice", "v.wav", "--on", "local:1", "--out", "o"],
        2,
        "--voice does not go with --on",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_command_refuses_in_one_sentence(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    media.write_picture(Path("p.png"))
    media.make(Path("v.avi"), "-c:v", "mjpeg")
    wav(Path("v.wav"), speech())
    wav(Path("fast.wav"), speech(), 44100)
    words, code, sentence = CASES[case]
    assert cli.main(["run", *words]) == code
    printed = capfd.readouterr().err
    assert sentence in printed and len(printed.strip().splitlines()) == 1
