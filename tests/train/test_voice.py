"""The voice network: readers of voices, windows and their changes, training, and who judges it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, RecipeInvalid, UsageError
from edge.voice.mel import BANDS, FRAMES, MIDDLE, RATE, SILENCE, log_mel
from tests.edge.test_voice import speech, wav
from train import cli
from train.checkpoint import CHECKPOINT
from train.lock import alone
from train.voice import change, judge, learn, readers, recipe
from train.voice.cli import WHOLE, folder
from train.voice.network import GlobalChannelSpatialAttention, Shuffle, VoiceNetwork
from train.voice.voice_set import CLASSES, VoiceSet

LETTERS = "WEAFTN"
UNCHANGED = "stretch = 0.0 warp = 0.0 tilt = 0.0 noise = 0.0 bands = 0 times = 0".replace("0 ", "0\n")
SPEAKERS = sorted(speaker for pair in judge.FOLDS for speaker in pair)
SMALL = recipe.parse(
    """
schema = 1
name = "small"
[network]
branch = 4
channels = [8, 16, 8]
features = 32
dropout = 0.1
[learn]
steps = 6
batch_size = 12
lr = 0.005
warmup_steps = 2
ema = 0.5
""",
    "small",
)


def pack(path: Path, **spoiled: Any) -> Path:
    """EmoDB's arrays: each label a tone of its own, every speaker a little higher than the one before."""
    sounds, names = [], []
    for speaker in SPEAKERS:
        for number, letter in enumerate(LETTERS):
            at = np.arange(int(1.1 * RATE)) / RATE
            tone = np.sin(2 * np.pi * (200 * 1.7**number + speaker) * at) * (
                np.sin(2 * np.pi * 5 * at) > -0.3
            )
            sounds.append((9000 * tone).astype(np.int16))
            names.append(f"{speaker:02d}a01{letter}a")
    sounds.append(sounds[0])
    names.append("03a02La")
    arrays = {
        "pcm": np.concatenate(sounds),
        "length": np.array([len(each) for each in sounds], np.int32),
        "name": np.array(names),
    }
    np.savez(path, **{**arrays, **spoiled})
    return path


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> VoiceSet:
    return readers.read(pack(tmp_path_factory.mktemp("voices") / "emodb.npz"))


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_emodb_is_read_without_boredom_and_with_its_speakers(voices: VoiceSet) -> None:
    assert len(voices) == 60 and set(voices.speaker) == set(SPEAKERS)
    assert [CLASSES[label] for label in voices.labels[:6]] == [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "sadness",
        "neutral",
    ]
    np.testing.assert_array_equal(voices.mel[0], log_mel(voices.sound[0]))


def test_ravdess_is_read_without_calm_and_surprise(tmp_path: Path) -> None:
    names = [f"03-01-0{emotion}-01-02-01-{actor:02d}" for actor in (1, 24) for emotion in range(1, 9)]
    levels = np.full((100 * 16, BANDS), 255, np.uint8)
    path = tmp_path / "r.npz"
    np.savez(path, mel=levels, length=np.full(16, 100), name=np.array(names))
    found = readers.read(path)
    assert [CLASSES[label] for label in found.labels[:6]] == [
        "neutral",
        "happiness",
        "sadness",
        "anger",
        "fear",
        "disgust",
    ]
    assert set(found.speaker) == {1, 24} and not found.sound
    assert found.mel[0].max() == pytest.approx(6.0)


def test_crema_d_is_read_from_its_folder(tmp_path: Path) -> None:
    for name in ("1001_DFA_ANG_XX", "1002_IEO_SAD_HI"):
        wav(tmp_path / f"{name}.wav", speech())
    found = readers.read(tmp_path)
    assert [CLASSES[label] for label in found.labels] == ["anger", "sadness"]
    assert found.speaker.tolist() == [1001, 1002]
    np.testing.assert_array_equal(found.sound[0], speech())
    wav(tmp_path / "1003_IEO_HAP_LO.wav", speech(), rate=44100)
    with pytest.raises(DataInvalid, match="is not 16000 samples a second"):
        readers.read(tmp_path)
    (tmp_path / "1003_IEO_HAP_LO.wav").write_text("none")
    with pytest.raises(DataInvalid, match="is no WAV file"):
        readers.read(tmp_path)
    wav(tmp_path / "1003_IEO_HAP_LO.wav", speech()).rename(tmp_path / "song.wav")
    with pytest.raises(DataInvalid, match="'song' is no name of CREMA-D"):
        readers.read(tmp_path)
    with pytest.raises(DataInvalid, match=r"has no \.wav files"):
        readers.read(tmp_path.parent)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": ({"length": np.array([5, 5])}, "lengths of the utterances do not sum"),
    "float": ({"pcm": np.zeros(9)}, "pcm must be int16"),
    "name": ({"name": np.array(["x"] * 61)}, "'x' is no name of EmoDB"),
    "boredom alone": ({"name": np.array(["03a01La"] * 61)}, "has no utterance of anger, disgust"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_pack_that_makes_no_sense_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    spoiled, sentence = BAD[case]
    with pytest.raises(DataInvalid, match=sentence):
        readers.read(pack(tmp_path / "v.npz", **spoiled))


def test_a_file_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    np.savez(path, other=np.zeros(3))
    with pytest.raises(DataInvalid, match="must have the arrays pcm, length, name or mel, length, name"):
        readers.read(path)
    path.write_text("none")
    with pytest.raises(DataInvalid, match=r"is not an \.npz that can be read"):
        readers.read(path)


def test_a_short_utterance_is_filled_up_with_silence() -> None:
    (window,) = change.windows(np.zeros((10, BANDS), np.float32))
    assert window.shape == (FRAMES, BANDS)
    assert (window[:10] == 0).all() and (window[10:] == np.float32(SILENCE)).all()


def test_masked_bands_and_times_say_nothing() -> None:
    how = recipe.ChangeRecipe(bands=8, times=24)
    heard = torch.from_numpy(np.random.default_rng(1).normal(0, 3, (8, 1, BANDS, FRAMES)).astype(np.float32))
    levels = change.masked(heard, how, np.random.default_rng(2))
    blank = (levels == MIDDLE)[:, 0]
    assert blank.all(2).any() and blank.all(1).any() and not blank.all()
    unmasked = change.masked(heard, recipe.ChangeRecipe(bands=0, times=0), np.random.default_rng(2))
    assert not (unmasked == MIDDLE).all(3).any()


def test_noise_is_as_far_under_the_voice_as_it_was_drawn() -> None:
    how = recipe.ChangeRecipe(noise=1.0, quietest_db=30.0)
    heard = torch.full((4, 1, BANDS, FRAMES), -2.0)
    added = torch.logsumexp(change.noisy(heard, how, np.random.default_rng(1)).flatten(1), 1)
    over = torch.exp(added - torch.logsumexp(heard.flatten(1), 1)) - 1
    np.testing.assert_allclose(10 * np.log10(over.numpy()), -30, atol=0.1)


def test_channels_are_dealt_out_over_the_groups() -> None:
    x = torch.arange(8.0).view(1, 8, 1, 1)
    assert Shuffle(8, 4)(x).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


def test_attention_weighs_every_channel_and_place_and_adds_nothing() -> None:
    attention = GlobalChannelSpatialAttention(16).eval()
    x = torch.rand(2, 16, 5, 6) + 0.1
    with torch.no_grad():
        share = attention(x) / attention.shuffle(x)
    assert ((share > 0) & (share < 1)).all()
    assert share.std((0, 2, 3)).min() > 0 and share.std(1).min() > 0
    with pytest.raises(RecipeInvalid, match="the second a multiple of 16"):
        recipe.NetworkRecipe(channels=(8, 8, 8))
    plain = VoiceNetwork(recipe.NetworkRecipe(attention=False), 6)
    assert isinstance(plain.attention, torch.nn.Identity)


def test_a_run_stopped_after_its_first_step_ends_in_the_very_same_weights(
    voices: VoiceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learn.fit(SMALL, voices, tmp_path / "whole")
    real = learn._loss

    def stop_then_step(*arguments: Any) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learn, "_loss", stop_then_step)
        assert not learn.fit(SMALL, voices, tmp_path / "parts")
    assert learn.fit(SMALL, voices, tmp_path / "parts")
    one, other = (learn.load_learnt(tmp_path / name).network.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(RecipeInvalid, match="was made by another recipe"):
        learn.fit(recipe.parse(SMALL.text + "seed = 2", "x"), voices, tmp_path / "parts")


def test_who_judges_was_never_heard_and_every_speaker_judges_once(voices: VoiceSet) -> None:
    out = np.stack([judge.left_out(voices, fold) for fold in range(len(judge.FOLDS))])
    assert (out.sum(0) == 1).all()
    for mask in out:
        assert not set(voices.speaker[mask]) & set(voices.speaker[~mask])


@pytest.mark.parametrize(
    ("speakers", "sentence"),
    [
        (range(1, 25), "has speaker 1 and 13 others, whom nobody would judge: give --data EmoDB"),
        ([*SPEAKERS, 99], "has speaker 99, whom nobody would judge"),
        ([each for each in SPEAKERS if each not in (10, 9)], "has no utterance of speaker 10 or 9"),
    ],
)
def test_speakers_who_are_not_left_out_just_once_are_refused_before_anything_is_learnt(
    speakers: list[int], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = [speech() for _ in speakers for _ in LETTERS]
    data = pack(
        tmp_path / "v.npz",
        pcm=np.concatenate(sounds),
        length=np.array([len(each) for each in sounds], np.int32),
        name=np.array([f"{speaker:02d}a01{letter}a" for speaker in speakers for letter in LETTERS]),
    )
    assert cli.main(["voice", "--data", str(data), "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_the_voices_that_it_began_with_and_no_others(
    voices: VoiceSet, tmp_path: Path
) -> None:
    assert learn.fit(SMALL, voices, tmp_path)
    for others in (voices.take(np.arange(len(voices)) != 7), replace(voices, labels=voices.labels[::-1])):
        with pytest.raises(DataInvalid, match="has learnt from other data: give another --out"):
            learn.fit(SMALL, others, tmp_path)
    older = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    torch.save({name: older[name] for name in older if name not in ("data", "init")}, tmp_path / CHECKPOINT)
    assert learn.fit(SMALL, voices.take(np.arange(len(voices)) != 7), tmp_path), "an older one goes on"


def test_two_runs_in_one_folder_are_one_too_many(voices: VoiceSet, tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(UsageError, match="another run trains in '.*': wait for that"):
        learn.fit(SMALL, voices, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert learn.fit(SMALL, voices, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, learn.LEARNT}


def test_logits_that_are_too_sure_are_cooled() -> None:
    labels = np.arange(6).repeat(20)
    answers = np.eye(6, dtype=np.float32)[np.where(np.arange(120) % 4, labels, (labels + 1) % 6)] * 20
    assert judge.temperature(answers, labels) > 2
    told = judge.figures(answers, labels)
    assert told["accuracy"] == told["balanced_accuracy"] == 0.75 and told["precision"]["anger"] == 0.75


def test_it_learns_the_tones_of_speakers_that_it_never_heard(voices: VoiceSet, tmp_path: Path) -> None:
    text = SMALL.text.replace("steps = 6", "steps = 120").replace("batch_size = 12", "batch_size = 24")
    text = text.replace("lr = 0.005", "lr = 0.01").replace("ema = 0.5", "ema = 0.9")
    out = judge.left_out(voices, 0)
    longer = recipe.parse(f"{text}[change]\n{UNCHANGED}", "x")
    assert learn.fit(longer, voices.take(~out), tmp_path)
    test = voices.take(out)
    answers = judge.logits(test, learn.load_learnt(tmp_path).ask)
    assert judge.figures(answers, test.labels)["accuracy"] > 0.5  # of six labels


def test_the_verb_writes_what_its_networks_do_on_speakers_that_they_never_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pack(tmp_path / "emodb.npz")
    (tmp_path / "small.toml").write_text(SMALL.text)
    words = ["voice", str(tmp_path / "small.toml"), "--threads", "1"]
    assert cli.main([*words, "--data", str(data), "--out", str(tmp_path / "run"), "--json"]) == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["speakers left out"]["utterances"] == 60
    assert json.loads(capsys.readouterr().out) == record
    for where in (folder(tmp_path / "run", 4), tmp_path / "run" / WHOLE):
        assert learn.load_learnt(where).recipe.name == "small"
    none = str(tmp_path / "none.npz")
    assert cli.main([*words, "--data", none, "--out", str(tmp_path / "x")]) == 1
    assert f"'{none}' is not an .npz that can be read" in capsys.readouterr().err
