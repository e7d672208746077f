"""The recipe of the landmark network: frozen dataclasses filled from one TOML file, unknown keys refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.errors import RecipeInvalid
from edge.files import read_text
from edge.strict import within
from train.recipe_base import StepsRecipe, Written, parse_steps

BUILT_IN = Path(__file__).parent / "landmarks.toml"
_SHARE = within(0.0, 1.0)
# Cells of the crop, across, of which the network says how much is covered; of these in one of its second to
# last map.
GRID, PARTS = 16, 2


@dataclass(frozen=True)
class NetworkRecipe:
    """The network: see ``train.landmarks.network``. Stages of ``widths`` channels, each of half the side of
    the one before and with so many residual ``blocks``, behind a stem of ``stem`` channels."""

    input_size: int = field(default=64, metadata=within(32, 128))
    stem: int = field(default=16, metadata=within(1, 256))
    widths: tuple[int, ...] = field(default=(24, 48, 96), metadata=within(1, 1024))
    blocks: tuple[int, ...] = field(default=(1, 1, 1), metadata=within(0, 8))
    hidden: int = field(default=128, metadata=within(8, 1024))
    activation: str = "relu"


@dataclass(frozen=True)
class ChangeRecipe:
    """Ranges of the random changes: ``rotate`` in degrees, ``scale`` and ``shift`` as shares of the crop,
    ``light`` as a factor's deviation from 1, ``noise`` in grey levels, ``coarse`` the chance of fewer pixels;
    ``worn``: the chance of something over the face, ``twice``: of another thing over that.
    """

    rotate: float = field(default=15.0, metadata=within(0.0, 90.0))
    scale: float = field(default=0.12, metadata=within(0.0, 0.5))
    shift: float = field(default=0.08, metadata=within(0.0, 0.2))
    light: float = field(default=0.4, metadata=_SHARE)
    noise: float = field(default=8.0, metadata=within(0.0, 60.0))
    coarse: float = field(default=0.3, metadata=_SHARE)
    worn: float = field(default=0.6, metadata=_SHARE)
    twice: float = field(default=0.25, metadata=_SHARE)


@dataclass(frozen=True)
class LearnRecipe(StepsRecipe):
    """See ``StepsRecipe``.

    ``wing`` and ``curve`` are w and epsilon of the wing loss (Feng et al., CVPR 2018), in pixels of a crop of
    256; ``seen_weight`` and ``cover_weight`` are the shares that what is seen and what is covered have in the
    loss. ``autocast`` "bfloat16" reckons the maps so.
    """

    wing: float = field(default=10.0, metadata=within(0.1, 100.0))
    curve: float = field(default=2.0, metadata=within(0.01, 100.0))
    seen_weight: float = field(default=6.0, metadata=within(0.0, 100.0))
    cover_weight: float = field(default=12.0, metadata=within(0.0, 100.0))
    autocast: Literal["none", "bfloat16"] = "none"


@dataclass(frozen=True)
class Recipe(Written):
    """A whole recipe. ``mean`` and ``std`` standardise grey levels."""

    name: str = field(metadata=within(1, 200))
    network: NetworkRecipe
    change: ChangeRecipe
    learn: LearnRecipe
    mean: float = 127.5
    std: float = 64.0


def load(path: Path | None = None) -> Recipe:
    """Read a recipe, by default the built-in one. Raises RecipeInvalid."""
    path = path or BUILT_IN
    return parse(read_text(path, RecipeInvalid), str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    recipe = parse_steps(Recipe, text, where, ("mean", "std"))
    _check(recipe.network, where)
    return recipe


def _check(network: NetworkRecipe, where: str) -> None:
    """Raise RecipeInvalid for stages that do not fit each other or the input."""
    stages = len(network.widths)
    if len(network.blocks) != stages:
        raise RecipeInvalid(f"{where}: network has {stages} widths and {len(network.blocks)} blocks: as many")
    if stages < 2:
        raise RecipeInvalid(f"{where}: network.widths has {stages}: give at least two stages")
    cells = GRID // PARTS
    if network.input_size != cells * 2**stages:
        raise RecipeInvalid(
            f"{where}: network.input_size must be {cells * 2**stages} with {stages} stages: there are "
            f"{cells} cells at the second to last stage, not {network.input_size / 2**stages:g}"
        )
