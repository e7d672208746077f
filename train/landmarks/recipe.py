"""The recipe of the landmark network: frozen dataclasses filled from one TOML file, unknown keys refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from edge import strict
from edge.errors import RecipeInvalid
from edge.strict import within

BUILT_IN = Path(__file__).parent / "landmarks.toml"
_SHARE = within(0.0, 1.0)


@dataclass(frozen=True)
class NetworkRecipe:
    """The network: see ``train.landmarks.network``. ``strides`` are those of the stem and then of each
    stage."""

    input_size: int = field(default=64, metadata=within(32, 128))
    width: float = field(default=0.5, metadata=within(0.1, 2.0))
    strides: tuple[int, ...] = field(default=(2, 2, 2, 2, 1, 1), metadata=within(1, 2))
    hidden: int = field(default=160, metadata=within(8, 1024))
    activation: str = "relu6"


@dataclass(frozen=True)
class ChangeRecipe:
    """Ranges of the random changes: ``rotate`` in degrees, ``scale`` and ``shift`` as shares of the crop,
    ``light`` as a factor's deviation from 1, ``noise`` in grey levels, ``coarse`` the chance of fewer pixels.
    """

    rotate: float = field(default=15.0, metadata=within(0.0, 90.0))
    scale: float = field(default=0.12, metadata=within(0.0, 0.5))
    shift: float = field(default=0.08, metadata=within(0.0, 0.2))
    light: float = field(default=0.4, metadata=_SHARE)
    noise: float = field(default=8.0, metadata=within(0.0, 60.0))
    coarse: float = field(default=0.3, metadata=_SHARE)


@dataclass(frozen=True)
class LearnRecipe:
    """AdamW with a linear start and a half cosine to zero.

    ``wing`` and ``curve`` are w and epsilon of the wing loss (Feng et al., CVPR 2018), in pixels of a crop of
    256; ``seen_weight`` is the share that visibility has in the loss.
    """

    steps: int = field(metadata=within(1, 10_000_000))
    batch_size: int = field(default=128, metadata=within(2, 4096))
    lr: float = field(default=3e-3, metadata=within(1e-8, 1.0))
    weight_decay: float = field(default=1e-4, metadata=_SHARE)
    warmup_steps: int = field(default=200, metadata=within(0, 100_000))
    ema: float = field(default=0.999, metadata=_SHARE)
    wing: float = field(default=10.0, metadata=within(0.1, 100.0))
    curve: float = field(default=2.0, metadata=within(0.01, 100.0))
    seen_weight: float = field(default=6.0, metadata=within(0.0, 100.0))
    seed: int = field(default=1, metadata=within(0, 1_000_000))


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, with its text. ``mean`` and ``std`` standardise grey levels."""

    name: str = field(metadata=within(1, 200))
    network: NetworkRecipe
    change: ChangeRecipe
    learn: LearnRecipe
    text: str
    mean: float = 127.5
    std: float = 64.0

    @property
    def sha256(self) -> str:
        """Hex digest of the recipe's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load(path: Path | None = None) -> Recipe:
    """Read a recipe, by default the built-in one. Raises RecipeInvalid."""
    path = path or BUILT_IN
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"recipe '{path}' cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    sections = ("network", "change", "learn")
    table = strict.read_toml(text, where, ("name", "mean", "std", *sections), RecipeInvalid)
    return strict.fill(Recipe, {key: {} for key in sections} | table, where, RecipeInvalid, text=text)
