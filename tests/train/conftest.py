from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from edge.bundle import Bundle
from edge.bundle_files.sections import AccuracyRecord
from tests.train import make
from train import loop, recipe
from train.checkpoint import Trained, load_run
from train.recipe import Recipe

RECORD = AccuracyRecord(data="made-2", images=21, accuracy=0.5, engine="torch")

# A busy machine is no failure.
settings.register_profile("train", deadline=None)
settings.load_profile("train")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> Recipe:
    return recipe.parse(make.RECIPE, "tiny")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return make.write_pack(tmp_path / "faces.npz")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny network after one epoch."""
    out = tmp_path_factory.mktemp("run")
    text = make.RECIPE.replace("epochs = 3", "epochs = 1")
    loop.fit(recipe.parse(text, "tiny"), make.face_set(40, 1), make.face_set(21, 2), out, threads=1)
    return load_run(out)


@pytest.fixture(scope="session")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same network, exported with temperature 1.7."""
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    pytest.importorskip("onnxruntime", reason="an export is checked with onnxruntime")
    from train.export import describe, export

    out = tmp_path_factory.mktemp("b") / "tiny"
    return export(trained, describe(trained, out, 1.7, [RECORD], "fer2013", 48))
