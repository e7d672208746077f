"""What a run leaves on disk: written whole or not at all, read back with plain words for what is wrong."""

from __future__ import annotations

import hashlib
import io
import lzma
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.bundle import files_of
from edge.errors import DataInvalid, ToolchainError
from edge.files import whole
from train import lineage
from train.lineage import NOTHING_KNOWN, Lineage
from train.recipe import Recipe, parse
from train.systems.system import parts_of

# Every second byte of a float16 holds its sign and exponent: told so, LZMA makes a sixth less of it.
FLOAT16 = ({"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 1, "pb": 1},)
XZ = b"\xfd7zXZ\x00"
DAMAGED = (
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    lzma.LZMAError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
CHECKPOINT, BEST, HISTORY = "checkpoint.pt", "best.pt", "history.csv"


@dataclass(frozen=True)
class Trained:
    """A trained network in evaluation mode, the recipe that made it, and the file it was read from.

    ``sha256`` is the file's, ``data`` that of what it learnt from ("" where the file does not say), and
    ``lineage`` what it started with and who taught it.
    """

    model: nn.Module
    recipe: Recipe
    path: Path
    sha256: str
    data: str = ""
    lineage: Lineage = NOTHING_KNOWN

    @property
    def pedigree(self) -> dict[str, str]:
        """What must travel with the weights: the recipe's text and where they come from."""
        return {"recipe": self.recipe.text, "data": self.data, **self.lineage.texts}


def make_folder(out: Path) -> None:
    """Make the folder of a run. Raises ToolchainError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(f"'{out}' cannot be made a folder: {error.strerror}") from error


def write(state: dict[str, Any], path: Path) -> None:
    """Save whole or not at all: a run killed while it writes keeps its last checkpoint.

    A ``path`` that ends in .xz is compressed, which `unxz` undoes. Raises StorageFailed.
    """
    with whole(path) as part, part.open("wb") as file:
        if path.suffix == ".xz":
            content = io.BytesIO()
            torch.save(state, content)
            file.write(lzma.compress(content.getvalue(), filters=FLOAT16))
        else:
            torch.save(state, file)


def read(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """The saved dictionary, which must have ``keys``; no code in the file is run. Raises DataInvalid."""
    return read_bytes(content_of(path), path, keys)


def read_bytes(content: bytes, path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """``read`` for a file's content that is at hand; ``path`` names it in messages."""
    try:
        if content.startswith(XZ):
            content = lzma.decompress(content)
        saved = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except DAMAGED as error:
        raise DataInvalid(f"'{path}' is not a ferlite checkpoint, or it is damaged") from error
    if not isinstance(saved, dict):
        raise DataInvalid(f"'{path}' is not a ferlite checkpoint: it holds a {type(saved).__name__}")
    missing = [key for key in keys if key not in saved]
    if missing:
        raise DataInvalid(f"'{path}' is not a ferlite checkpoint: it has no '{missing[0]}'")
    return dict(saved)


def content_of(path: Path) -> bytes:
    """The file's bytes. Raises DataInvalid."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error


def network_files(model: Path) -> list[Path]:
    """What a run or a bundle is read from, over which nothing may be written."""
    return [model, model / BEST, *files_of(model)]


def build_model(recipe: Recipe) -> nn.Module:
    """The recipe's network with weights drawn from its seed. Raises RecipeInvalid."""
    return parts_of(recipe).network


def load_run(path: Path) -> Trained:
    """The best network of a run: ``path`` is the run's folder or its best.pt. Raises DataInvalid."""
    if path.is_dir():
        path = path / BEST
        if not path.exists():
            raise DataInvalid(f"'{path.parent}' has no {BEST}: no epoch of that run has ended yet")
    content = content_of(path)
    saved = read_bytes(content, path, ("recipe", "model"))
    recipe = parse(saved["recipe"], f"in {path}")
    model = build_model(recipe)
    load_state(model, saved["model"], path)
    model.eval()
    digest = hashlib.sha256(content).hexdigest()
    return Trained(model, recipe, path, digest, str(saved.get("data", "")), lineage.read(saved))


def load_state(model: nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Copy ``state`` into ``model``; every name and shape must match. Raises DataInvalid."""
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DataInvalid(f"'{path}' holds weights of another network than its recipe describes") from error
