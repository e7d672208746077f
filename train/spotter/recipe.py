"""The recipe of the spotter network: frozen dataclasses filled from one TOML file, unknown keys refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import RecipeInvalid
from edge.files import read_text
from edge.moments.history import LOOKED
from edge.strict import within
from train.recipe_base import StepsRecipe, Written, parse_steps

BUILT_IN = Path(__file__).parent / "spotter.toml"
MEAN, STD = 128.0, 32.0  # of the levels of ``edge.moments.history.picture``
_SHARE = within(0.0, 1.0)


@dataclass(frozen=True)
class NetworkRecipe:
    """See ``train.spotter.network``. ``ahead`` moments after one are looked at to tell of it, and ``told``
    moments are told of at a time.
    """

    channels: int = field(default=28, metadata=within(4, 256))
    kernel: int = field(default=5, metadata=within(2, 15))
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    ahead: int = field(default=36, metadata=within(0, 100))
    told: int = field(default=16, metadata=within(1, 64))

    def __post_init__(self) -> None:
        if not self.dilations or any(not 1 <= each <= 32 for each in self.dilations):
            raise RecipeInvalid(f"'dilations' is {list(self.dilations)}, and must be numbers of 1 to 32")
        if self.window > LOOKED:
            raise RecipeInvalid(
                f"'dilations' and 'told' ask for {self.window} moments, and {LOOKED} are looked back to"
            )
        if self.ahead >= self.seen:
            raise RecipeInvalid(f"'ahead' is {self.ahead}, and the network sees {self.seen} moments")

    @property
    def seen(self) -> int:
        """Moments on which what is told of one stands."""
        return 1 + (self.kernel - 1) * sum(self.dilations)

    @property
    def window(self) -> int:
        """Moments that it is given."""
        return self.seen + self.told - 1


@dataclass(frozen=True)
class ChangeRecipe:
    """Ranges of the random changes: of size and of time as shares, ``noise`` in distances between the eyes;
    ``half`` and ``quarter``: chances that frames come 50 and 25 a second.
    """

    size: float = field(default=0.3, metadata=_SHARE)
    time: float = field(default=0.1, metadata=within(0.0, 0.5))
    noise: float = field(default=0.0005, metadata=within(0.0, 0.1))
    half: float = field(default=0.2, metadata=_SHARE)
    quarter: float = field(default=0.1, metadata=_SHARE)


@dataclass(frozen=True)
class LearnRecipe(StepsRecipe):
    """See ``StepsRecipe``.

    ``near``: seconds to each side of an onset, apex or offset in which its output should say so;
    ``bounds``: the weight of these beside that of a movement's whole length.
    """

    near: float = field(default=0.025, metadata=within(0.001, 1.0))
    bounds: float = field(default=0.5, metadata=within(0.0, 100.0))


@dataclass(frozen=True)
class Recipe(Written):
    """A whole recipe."""

    name: str = field(metadata=within(1, 200))
    network: NetworkRecipe
    change: ChangeRecipe
    learn: LearnRecipe


def load(path: Path | None = None) -> Recipe:
    """Read a recipe, by default the built-in one. Raises RecipeInvalid."""
    path = path or BUILT_IN
    return parse(read_text(path, RecipeInvalid), str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    return parse_steps(Recipe, text, where)
