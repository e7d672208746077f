"""One tiny network, really trained and really exported once for all tests of quantize/."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from edge.bundle import Bundle
from edge.bundle_files.sections import CropRule, DoubtRule
from faces import face_set
from quantize.cli import main
from quantize.network.export import Exported, export
from quantize.network.load import load_source
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits, load_splits
from tests.train import make
from train import loop, recipe

RECIPE = """
schema = 1
name = "tiny"
[model]
backbone = "mobilenet_v2"
input_size = 16
width = 0.1
strides = [2, 1, 1, 2, 1, 1, 1, 1]
dropout = 0.0
[data]
mean = 100.5
std = 60.0
[train]
epochs = 12
batch_size = 14
lr = 0.05
ema = 0.5
seed = 3
"""
FRAMING = CropRule(((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75)), 1.02, (0.0, 0.0))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.write_pack(tmp_path_factory.mktemp("data") / "faces.npz", 280, 105, 105)


@pytest.fixture(scope="session")
def run(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run that knows its seven bars better than chance."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    chosen = recipe.parse(RECIPE, "tiny")
    outcome = loop.fit(
        chosen, face_set.load_fer2013(pack, "train"), face_set.load_fer2013(pack, "public"), out, threads=1
    )
    assert outcome.best_accuracy is not None and outcome.best_accuracy >= 0.75
    return out


@pytest.fixture(scope="session")
def source(run: Path) -> Source:
    return load_source(run)


@pytest.fixture(scope="session")
def exported(source: Source) -> Exported:
    return export(source)


@pytest.fixture(scope="session")
def splits(pack: Path) -> Splits:
    return load_splits(pack)


@pytest.fixture
def start(source: Source) -> Bundle:
    """The bundle as it is while nothing is known of its engines."""
    return Bundle(
        path=Path("out"),
        name="tiny",
        description="",
        labels=source.labels,
        input=source.input,
        crop=FRAMING,
        temperature=1.0,
        doubt=DoubtRule(),
        files={},
    )


QUICK = """
schema = 1
name = "quick"
engine = "{engine}"
[calibration]
faces = 56
[quantize]
{settings}
"""


@pytest.fixture(scope="session")
def ladder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder for the tiny network, whose speed on a busy machine proves nothing."""
    folder = tmp_path_factory.mktemp("ladder")
    (folder / "quick.toml").write_text(QUICK.format(engine="onnx", settings=""), encoding="utf-8")
    path = folder / "tiny.toml"
    path.write_text(
        'schema = 1\nname = "tiny"\n[gate]\ndrop = 5\nboard_drop = 10\nagreement = 0.8\nratio = 1000\n'
        "[sensitivity]\nfaces = 14\n"
        '[engines]\nonnx = ["quick"]\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def crop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crop") / "crop.json"
    framing = {"crop": dataclasses.asdict(FRAMING), "doubt": {"face_px": 10, "weight": 0.2}}
    path.write_text(json.dumps(framing), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def built(
    run: Path, pack: Path, ladder_file: Path, crop_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle made by the command itself."""
    out = tmp_path_factory.mktemp("built") / "tiny"
    words = ["build", run, "--data", pack, "-o", out, "--ladder", ladder_file, "--crop", crop_file]
    assert main([*map(str, words), "--threads", "1"]) == 0
    return out
