"""The voice network's bundle: int8 by the builders of every bundle, read beside a video, nothing kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge import bundle as bundles
from edge.errors import UsageError
from edge.voice.mel import SAMPLES, log_mel, picture
from edge.voice.reader import VoiceReader
from quantize import cli
from quantize.kinds import voice
from tests import media
from tests.edge.test_voice import speech, wav
from tests.train.test_voice import SMALL, SPEAKERS, pack
from train.voice import judge, learn, readers, recipe
from train.voice.cli import WHOLE, folder
from train.voice.network import VoiceNetwork
from train.voice.voice_set import CLASSES, VoiceSet

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
DATA = Path(__file__).parent.parent / "data"
SURE = dict.fromkeys((*CLASSES, "surprise"), 0.7)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VoiceSet]:
    """A run, trained on tones: the folds' networks are one that all of them heard."""
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("run")
    voices = readers.read(pack(run / "emodb.npz"))
    assert learn.fit(SMALL, voices, run / WHOLE)
    for fold in range(len(judge.FOLDS)):
        shutil.copytree(run / WHOLE, folder(run, fold))
    return run, voices


@pytest.fixture(scope="module")
def made(
    heard: tuple[Path, VoiceSet], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("made") / "voice"
    # Two folds are enough to see that each is asked.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "FOLDS", (SPEAKERS[:5], SPEAKERS[5:]))
        return out, voice.build(*heard, out, ["onnx"], SURE)


def test_voices_that_no_fold_judges_are_refused_before_anything_is_built(
    heard: tuple[Path, VoiceSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "v.npz"
    with np.load(pack(data)) as packed:
        arrays = dict(packed)
    arrays["name"] = np.array([name.replace("03", "04", 1) for name in arrays["name"]])
    np.savez(data, **arrays)
    words = ["voice", str(heard[0]), "--data", str(data), "--domain", str(data), "--out", str(tmp_path / "x")]
    assert cli.main(words) == 1
    said = capsys.readouterr().err
    assert "has speaker 4, whom nobody would judge: give --data EmoDB" in said and said.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_the_plain_network_is_the_same_function_without_groups_and_branches() -> None:
    torch.manual_seed(1)
    network = VoiceNetwork(recipe.NetworkRecipe(), 6).eval()
    for each in network.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.running_mean.uniform_(-1, 1)
            each.running_var.uniform_(0.5, 2)
    plain, x = voice.plain(network), torch.randn(3, 1, 40, 96)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), network(x), atol=1e-4, rtol=1e-4)
    assert len(plain.branches) == 1
    assert all(each.groups == 1 for each in plain.modules() if isinstance(each, torch.nn.Conv2d))


def test_int8_names_what_the_network_names(made: tuple[Path, dict[str, Any]]) -> None:
    record = made[1]
    assert record["engines"]["onnx"]["agreement"] >= 0.95
    assert abs(record["engines"]["onnx"]["accuracy"] - record["float"]["accuracy"]) <= 0.05


def test_the_bundle_says_what_it_is_and_reads_a_voice(
    made: tuple[Path, dict[str, Any]], heard: tuple[Path, VoiceSet]
) -> None:
    bundle = bundles.load(made[0])
    assert (bundle.kind, bundle.schema, bundle.labels) == ("voice", 2, CLASSES)
    assert bundle.input.shape == (40, 96) and bundle.reliability["face"]["surprise"] == 0.7
    reader, sound = VoiceReader(bundle, "onnx"), speech()[:SAMPLES]
    reading = reader(sound)
    reader.close()
    assert sum(reading.weights.values()) == pytest.approx(1) and reading.presence == 1
    learnt = learn.load_learnt(heard[0] / WHOLE)
    (logits,) = learnt.ask(picture(log_mel(sound))[None]) / bundle.temperature
    wanted = np.exp(logits - np.logaddexp.reduce(logits))
    assert np.abs(np.array(list(reading.weights.values())) - wanted).max() < 0.1


def test_a_voice_bundle_reads_no_faces_and_a_face_bundle_no_voices(made: tuple[Path, dict[str, Any]]) -> None:
    import edge

    with pytest.raises(UsageError, match="is of kind voice and reads no expressions"):
        edge.open_pipeline(made[0], "onnx", "haar")
    with pytest.raises(UsageError, match="is of kind expression and reads no voices"):
        VoiceReader(bundles.load("mobilenetv2"), "onnx")


def film(folder_: Path) -> list[str]:
    """A video of a bright square with a voice beside it, and the words that read both."""
    import cv2

    frame = np.zeros((128, 160, 3), np.uint8)
    frame[32:64, 64:96] = 250
    assert cv2.imwrite(str(folder_ / "face.png"), frame)
    media.make(
        folder_ / "v.avi", "-c:v", "mjpeg", "-t", "2", before=("-loop", "1"), source=str(folder_ / "face.png")
    )
    wav(folder_ / "v.wav", speech())
    detector = ["--detector-model", str(DATA / "tiny_yunet.onnx"), "--detect-size", "160"]
    return ["v.avi", "--voice", "v.wav", "--engine", "onnx", "--sink", "jsonl:seen.jsonl", *detector]


def test_a_video_is_read_with_the_voice_beside_it_and_nothing_heard_is_kept(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "edge.cli", "run", *film(tmp_path), "--voice-bundle", str(made[0])]
    traced = shutil.which("strace") is not None
    watch = ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=open,openat,creat,socket,connect"]
    before = {path.name for path in tmp_path.iterdir()}
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "FERLITE_CACHE": str(tmp_path / "cache")}
    subprocess.run([*(watch if traced else ()), *words], cwd=tmp_path, env=env, check=True)
    lines = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    # Nothing can be heard of the second before the first frame.
    assert first["voice"]["weights"] == {} and "no voice" in first["faces"][0]["doubts"]
    assert last["voice"]["fused"] and "no voice" not in last["faces"][0]["doubts"]
    assert sum(last["faces"][0]["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert {path.name for path in tmp_path.iterdir()} - before <= {"seen.jsonl", "trace"}
    if not traced:
        pytest.skip("strace is not installed: only the folder was looked at")
    trace = (tmp_path / "trace").read_text(errors="replace")
    opened = r'(?:open|openat|creat)\((?:AT_FDCWD, )?"([^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)'
    harmless = ("/dev/null", "/dev/tty", "/proc/", "/sys/", "/dev/shm/")
    written = {path for path in re.findall(opened, trace) if not path.startswith(harmless)}
    assert written == {"seen.jsonl"} and not re.findall(r"AF_INET6?\b", trace)


def test_the_verb_refuses_an_engine_that_nobody_builds_for(
    heard: tuple[Path, VoiceSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["voice", str(heard[0]), "--data", "v.npz", "--domain", "f.npz", "--out", str(tmp_path / "o")]
    assert cli.main([*words, "--engines", "tensorrt"]) == 2
    assert "'tensorrt': choose onnx, tflite, openvino" in capsys.readouterr().err
