"""No verb of any command writes over what it reads: refused, exit 2, before anything is opened."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import bundle as bundles
from tests.test_option_words import EVERY

pytest.importorskip("torch", reason="the toolchain's verbs need torch")

import boards.cli
import measure.cli
import quantize.cli
import train.cli

MAIN: dict[str, Callable[[list[str]], int]] = {
    "ferlite-train": train.cli.main,
    "ferlite-quantize": quantize.cli.main,
    "ferlite-bench": measure.cli.main,
    "ferlite-boards": boards.cli.main,
}
# What a fleet's file names, see FLEET_FILE.
FLEET = "r.json m.onnx old.pt e.npz f.npz bundle/bundle.json bundle/tiny.onnx"
# A verb, what it reads (run/ holds best.pt, bundle/ a bundle), and in {} what it is told to write.
OVER_ITSELF = (
    ("ferlite-train evaluate run --data d.npz --record {}", "d.npz run/best.pt"),
    ("ferlite-train evaluate bundle --data d.npz --record {}", "d.npz bundle/bundle.json bundle/tiny.onnx"),
    (
        "ferlite-train domains bundle --data d.npz --domain e.npz --rendered f.npz --record {}",
        "d.npz e.npz f.npz bundle/bundle.json bundle/tiny.onnx",
    ),
    (
        "ferlite-train fairness bundle --heads h.npz --record {}",
        "h.npz bundle/bundle.json bundle/tiny.onnx",
    ),
    (
        "ferlite-train probe run --against old.pt --data d.npz --domain e.npz --record {}",
        "d.npz e.npz old.pt run/best.pt",
    ),
    ("ferlite-train clips --heads e.npz --out {}", "e.npz"),
    ("ferlite-train synth --heads e.npz --out {}", "e.npz"),
    ("ferlite-train synth --heads h.png --out new.npz --sheet {}", "h.png"),
    ("ferlite-train ask model --data d.npz -o {}", "d.npz model/face_expression_model.bin"),
    ("ferlite-train mark --data d.npz --mesh m.onnx --out {}", "d.npz"),
    (
        "ferlite-train spotting films --annotations r.json --layout samm --detector-model m.onnx --record {}",
        "r.json m.onnx",
    ),
    (
        "ferlite-train spotting films --annotations r.json --layout samm --spotter rule --record {}",
        "films/a.avi",
    ),
    ("ferlite-train clips --making morphed --photos d.npz --mesh m.onnx --out {}", "d.npz"),
    ("ferlite-train report r.json s.json --out {}", "r.json s.json"),
    ("ferlite-train export run --data d.npz --evaluation r.json --out {}", "d.npz run r.json"),
    ("ferlite-train blend run --start old.pt --share 0.5 --data d.npz --out {}", "d.npz old.pt run/best.pt"),
    ("ferlite-train pack run --data d.npz --out {}", "d.npz run/best.pt"),
    (
        "ferlite-quantize build run --data d.npz --domain e.npz --ladder r.json --crop s.json -o {}",
        "d.npz e.npz r.json s.json run run/best.pt",
    ),
    ("ferlite-quantize landmarks run --out {}", "run run/landmarks.pt"),
    ("ferlite-quantize landmarks run --out new --record {}", "run/landmarks.pt run/learn.npz run/test.npz"),
    ("ferlite-quantize voice run --data d.npz --domain e.npz --out {}", "d.npz e.npz run"),
    (
        "ferlite-quantize voice run --data d.npz --domain e.npz --out new --record {}",
        "d.npz e.npz run/all/voice.pt",
    ),
    ("ferlite-quantize spotter run --out {}", "run run/spotter.pt run/learn.npz"),
    (
        "ferlite-quantize spotter run --out new --record {}",
        "run/spotter.pt run/learn.npz run/choose.npz run/record.json",
    ),
    ("ferlite-quantize sizes run --data d.npz --record {}", "d.npz run/best.pt"),
    ("ferlite-quantize sizes run --data d.npz --html {}", "d.npz run/best.pt"),
    (
        "ferlite-bench bundle --source v.mp4 --detector-model m.onnx --record {}",
        "v.mp4 m.onnx bundle/bundle.json bundle/tiny.onnx",
    ),
    ("ferlite-bench bundle --csv {}", "bundle/bundle.json"),
    ("ferlite-bench bundle --html {}", "bundle/bundle.json"),
    ("ferlite-boards fleet fleet.toml status --record {}", f"fleet.toml {FLEET}"),
    ("ferlite-boards fleet fleet.toml probe --on ssh:hosts.txt --html {}", f"fleet.toml hosts.txt {FLEET}"),
    (
        "ferlite-boards boot card.img --board rpi-4b --kernel r.json --initrd s.json --console {}",
        "card.img r.json s.json",
    ),
    ("ferlite-boards deb bundle --board intel-lnl --out {}", "bundle/bundle.json bundle/tiny.onnx"),
    (
        "ferlite-boards deb d.npz --board intel-lnl --detector yunet --detector-model m.onnx --out {}",
        "d.npz m.onnx",
    ),
)
# A verb that writes into the folder run/, and in {} what it is told to read: what it would write there.
INTO_ITSELF = (
    ("ferlite-train run quantum --data d.npz --out run --init {}", "run/best.pt run/checkpoint.pt"),
    ("ferlite-train run quantum --data d.npz --out run --teacher {}", "run run/best.pt"),
    (
        "ferlite-train landmarks --heads h.npz --data d.npz --domain e.npz --mesh m.onnx --out run --init {}",
        "run/landmarks.pt run/checkpoint.pt",
    ),
    (
        "ferlite-train landmarks --heads h.npz --data {} --domain e.npz --mesh m.onnx --out run",
        "run/learn.npz run/test.npz run/covers.npz",
    ),
    (
        "ferlite-train spotter --photos {} --heads h.npz --mesh m.onnx --out run",
        "run/learn.npz run/choose.npz",
    ),
    ("ferlite-train voice --data {} --out run", "run/all/voice.pt run/without-1/voice.pt run/record.json"),
)
# Those that write into a folder of their own, or no file that was named; `run` has its own tests.
OTHERS = {
    "ferlite run",
    "ferlite serve",
    "ferlite-train sweep",
    "ferlite-boards deploy",
    "ferlite-boards flash",
}
FILES = (
    "d.npz e.npz f.npz h.png r.json s.json old.pt run/best.pt run/checkpoint.pt run/landmarks.pt v.mp4 "
    "m.onnx model/face_expression_model.bin films/a.avi card.img hosts.txt"
)
FLEET_FILE = """
schema = 1
bundle = "bundle"
detector = "yunet"
detector_model = "m.onnx"
identity = "old.pt"
ssh_config = "e.npz"
[[board]]
host = "nowhere.invalid"
board = "f.npz"
[[board]]
host = "nowhere.invalid"
name = "other"
board = "r.json"
"""
CASES = [(words, place) for words, places in (*OVER_ITSELF, *INTO_ITSELF) for place in places.split()]


@pytest.fixture
def desk(make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_bundle()
    for name in FILES.split():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"never opened")
    Path("fleet.toml").write_text(FLEET_FILE)
    return tmp_path


@pytest.mark.parametrize(("words", "place"), CASES)
def test_an_output_over_an_input_is_refused(
    desk: Path, capsys: pytest.CaptureFixture[str], words: str, place: str
) -> None:
    before = {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()}
    program, *rest = words.format(place).split()
    assert MAIN[program](rest) == 2
    printed = capsys.readouterr()
    told = {f"'{name}' is read in this run" for name in (place, f"{place}/best.pt")}
    assert printed.out == "" and any(each in printed.err for each in told)
    assert before == {path: path.read_bytes() for path in desk.rglob("*") if path.is_file()}


def test_every_verb_that_writes_a_named_file_is_tried() -> None:
    outputs = {"--out", "--record", "--html", "--save", "--sink", "--csv", "--sheet", "--console"}

    def writes(verb: argparse.ArgumentParser) -> bool:
        return any(outputs & {*each.option_strings} for each in verb._actions)

    words_of = [words.split() for words, _ in (*OVER_ITSELF, *INTO_ITSELF)]
    tried = {" ".join(words[: 1 + (words[0] != "ferlite-bench")]) for words in words_of}
    assert {name for name, verb in EVERY if writes(verb)} <= tried | OTHERS


def test_a_bundle_says_which_files_it_is_read_from(desk: Path) -> None:
    assert {path.name for path in bundles.files_of("bundle")} >= {"bundle.json", "tiny.onnx"}
    assert bundles.files_of("mobilenetv2")[0] == bundles.SHIPPED / "mobilenetv2" / "bundle.json"
    assert bundles.files_of("run") == bundles.files_of("nowhere") == []
