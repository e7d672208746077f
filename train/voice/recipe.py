"""The recipe of the voice network: frozen dataclasses filled from one TOML file, unknown keys refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import RecipeInvalid
from edge.files import read_text
from edge.strict import within
from train.recipe_base import StepsRecipe, Written, parse_steps

BUILT_IN = Path(__file__).parent / "voice.toml"
_SHARE = within(0.0, 1.0)


@dataclass(frozen=True)
class NetworkRecipe:
    """The network: see ``train.voice.network``. ``attention`` off is the ablation."""

    branch: int = field(default=16, metadata=within(4, 256))
    channels: tuple[int, int, int] = (32, 64, 64)
    features: int = field(default=128, metadata=within(2, 4096))
    attention: bool = True
    dropout: float = field(default=0.3, metadata=within(0.0, 0.9))

    def __post_init__(self) -> None:
        if any(not 4 <= each <= 1024 for each in self.channels) or self.channels[1] % 16:
            raise RecipeInvalid(
                f"'channels' is {list(self.channels)}, and must be 4 to 1024, the second a multiple of 16"
            )


@dataclass(frozen=True)
class ChangeRecipe:
    """Ranges of the random changes: ``stretch`` of time and ``warp`` of pitch as shares, ``tilt`` of the
    spectrum in units of the logarithm, ``noise`` the chance of noise, at ``quietest_db`` to 30 dB more than
    it; up to ``bands`` bands and ``times`` frames, twice each, are masked.
    """

    stretch: float = field(default=0.15, metadata=within(0.0, 0.5))
    warp: float = field(default=0.1, metadata=within(0.0, 0.5))
    tilt: float = field(default=1.0, metadata=within(0.0, 10.0))
    noise: float = field(default=0.5, metadata=_SHARE)
    quietest_db: float = field(default=0.0, metadata=within(-30.0, 30.0))
    bands: int = field(default=8, metadata=within(0, 39))
    times: int = field(default=24, metadata=within(0, 95))


@dataclass(frozen=True)
class LearnRecipe(StepsRecipe):
    """See ``StepsRecipe``. ``smoothing`` is of the labels."""

    smoothing: float = field(default=0.1, metadata=within(0.0, 0.9))


@dataclass(frozen=True)
class Recipe(Written):
    """A whole recipe. ``mean`` and ``std`` standardise the levels of ``edge.voice.mel``."""

    name: str = field(metadata=within(1, 200))
    network: NetworkRecipe
    change: ChangeRecipe
    learn: LearnRecipe
    mean: float = 128.0
    std: float = 32.0


def load(path: Path | None = None) -> Recipe:
    """Read a recipe, by default the built-in one. Raises RecipeInvalid."""
    path = path or BUILT_IN
    return parse(read_text(path, RecipeInvalid), str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    return parse_steps(Recipe, text, where, ("mean", "std"))
