"""The spotter's bundle: int8 by the builders of every bundle, read by ``run --moments``, and by no other."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import edge
from edge import bundle as bundles
from edge import cli as edge_cli
from edge.bundle import Bundle
from edge.bundle_files import writer
from edge.bundle_files.sections import TONES_AND_OTHER, SpotRule
from edge.errors import BundleInvalid, DataInvalid, ModelMismatch, UsageError
from edge.moments.decode import OUTPUTS
from edge.moments.history import MOVES, ROWS
from edge.moments.network import SpottingNetwork, told_of
from edge.voice.reader import VoiceReader
from quantize import cli
from quantize.kinds import spotter
from tests.train.motions import SMALL, run_of
from train import cli as train_cli
from train.spotter.change import Drawer
from train.spotter.cli import RECORD
from train.spotter.learn import load_learnt
from train.spotter.motion_set import read

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
NONE = ["--photos", "no.npz", "--heads", "no.npz", "--mesh", "no.tflite"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("spotter")
    (folder / "small.toml").write_text(SMALL.text)
    words = ["spotter", str(folder / "small.toml"), "--threads", "1", "--out", str(run_of(folder / "run"))]
    assert train_cli.main([*words, *NONE]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, dict[str, Any]]:
    out = tmp_path_factory.mktemp("made") / "spotter"
    record = out.parent / "record.json"
    code = cli.main(["spotter", str(run), "--out", str(out), "--record", str(record)])
    told = json.loads(record.read_text())
    assert code == (0 if told["engines"]["onnx"]["passed"] else 1)
    return bundles.load(out), told


def test_the_bundle_says_what_it_is_and_its_record_what_int8_costs(
    made: tuple[Bundle, dict[str, Any]],
) -> None:
    bundle, record = made
    assert (bundle.kind, bundle.schema, bundle.labels) == ("spotter", 2, OUTPUTS)
    assert bundle.input.shape == (ROWS, SMALL.network.window) and bundle.spot is not None
    assert bundle.spot.ahead == 14 and bundle.spot.begin == record["spot"]["begin"]
    row = record["engines"]["onnx"]
    assert row["rungs"][-1]["passed"] == row["passed"] and record["float"]["f1"] >= row["f1"] - 0.3
    assert record["command"].startswith("ferlite quantize spotter run --out spotter")
    card = (bundle.path / "CARD.md").read_text()
    assert "not for any decision" in re.sub(r"\s+", " ", card) and f"{row['f1']:.3f}" in card
    assert set(bundle.spot.tones) == set(TONES_AND_OTHER)
    assert "of 3 movements at their true times right for" in re.sub(r"\s+", " ", card)


def test_int8_says_about_what_the_network_says(made: tuple[Bundle, dict[str, Any]], run: Path) -> None:
    learnt, network = load_learnt(run), SpottingNetwork(made[0], "onnx")
    assert (network.window, network.told) == (SMALL.network.window, SMALL.network.told)
    levels = Drawer(read(run / "learn.npz"), learnt.recipe)(20, np.random.default_rng(2)).levels
    wanted = told_of(learnt.ask(levels).reshape(20, -1))
    given = np.stack([network(each) for each in levels])
    network.close()
    assert given.shape == (20, SMALL.network.told, len(OUTPUTS))
    assert np.abs(given - wanted).max() < 0.1 and wanted.std() > 0


def test_a_spotter_reads_no_faces_and_no_voices_and_others_spot_nothing(
    made: tuple[Bundle, dict[str, Any]],
) -> None:
    with pytest.raises(UsageError, match="is of kind spotter and reads no expressions"):
        edge.open_pipeline(made[0].path, "onnx", "haar")
    with pytest.raises(UsageError, match="is of kind spotter and reads no voices"):
        VoiceReader(made[0], "onnx")
    for name in ("mobilenetv2", "landmarks", "voice"):
        with pytest.raises(UsageError, match="spots no movements: give one that does"):
            SpottingNetwork(bundles.load(name), "onnx")


def test_what_does_not_fit_is_refused(made: tuple[Bundle, dict[str, Any]], tmp_path: Path) -> None:
    bundle = made[0]
    with pytest.raises(ModelMismatch, match="cannot be told of"):
        SpottingNetwork(replace(bundle, spot=SpotRule(99)), "onnx")
    with pytest.raises(ModelMismatch, match=f"spot.tones must have {MOVES + 1} numbers each"):
        SpottingNetwork(
            replace(bundle, spot=SpotRule(9, tones=dict.fromkeys(TONES_AND_OTHER, (1.0,)))), "onnx"
        )
    with pytest.raises(ModelMismatch, match="tells movement, onset, apex, offset"):
        SpottingNetwork(replace(bundle, labels=("a", "b")), "onnx")
    table = json.loads(writer.manifest(bundle))
    shutil.copytree(bundle.path, tmp_path / "b")
    for key, value in (("spot", None), ("kind", "voice")):
        spoiled = {**table, key: value}
        (tmp_path / "b" / "bundle.json").write_text(json.dumps(spoiled))
        with pytest.raises(BundleInvalid, match="'spot' is .* in a bundle of kind spotter"):
            bundles.load(tmp_path / "b")


def test_run_asks_it_and_says_in_one_sentence_what_is_none(
    made: tuple[Bundle, dict[str, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.edge.moments.acted import write_film

    film = str(write_film(tmp_path / "film.avi", 100))
    words = ["run", film, "--detector", "haar", "--threads", "1", "--json", "--quiet", "--moments"]
    assert edge_cli.main([*words, "--most", "60", "--spotter", str(made[0].path)]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(lines) == 60 and all("moments" in line for line in lines)
    for where, said in (
        ("voice", "is of kind voice and spots no movements"),
        (str(tmp_path / "none"), "no bundle"),
    ):
        assert edge_cli.main([*words, "--spotter", where]) in (1, 2)
        error = capfd.readouterr().err
        assert said in error and error.count("\n") == 1
    assert edge_cli.main(["run", film, "--spotter", "x"]) == 2
    assert "add --moments" in capfd.readouterr().err
    over = ["--spotter", str(made[0].path), "--sink", f"jsonl:{made[0].path / 'bundle.json'}"]
    assert edge_cli.main([*words[:-3], "--moments", *over]) == 2
    assert "is read in this run" in capfd.readouterr().err


def test_the_verb_refuses_an_engine_that_nobody_builds_for_and_a_run_that_was_not_judged(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["spotter", str(run), "--out", str(tmp_path / "o")]
    assert cli.main([*words, "--engines", "tensorrt"]) == 2
    assert "'tensorrt': choose onnx, tflite, openvino" in capsys.readouterr().err
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "record.json").write_text("{}")
    with pytest.raises(DataInvalid, match="is no record of 'ferlite train spotter'"):
        spotter.build(copy, tmp_path / "o", ["onnx"])
    record = json.loads((run / "record.json").read_text())
    record["model"]["recipe_sha256"] = "0"
    (copy / "record.json").write_text(json.dumps(record))
    with pytest.raises(DataInvalid, match="is of another recipe"):
        spotter.build(copy, tmp_path / "o", ["onnx"])
    assert not (tmp_path / "o").exists()


def test_a_record_of_before_tones_and_motions_of_before_them_are_refused_in_one_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    record = json.loads((old / RECORD).read_text())
    del record["tones"]
    (old / RECORD).write_text(json.dumps(record))
    assert cli.main(["spotter", str(old), "--out", str(tmp_path / "o")]) == 1
    assert "is of before tones were learnt: 'ferlite train spotter' again" in capsys.readouterr().err
    with np.load(old / "learn.npz") as file:
        np.savez(old / "learn.npz", **{name: file[name] for name in file if name != "tone"})
    assert cli.main(["spotter", str(old), "--out", str(tmp_path / "o")]) == 1
    said = capsys.readouterr().err
    assert "has no 'tone'" in said and "move it away" in said and "cannot be read" not in said
