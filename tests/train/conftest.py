from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.train import make
from train import recipe
from train.recipe import Recipe

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
