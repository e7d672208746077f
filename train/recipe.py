"""A training recipe: frozen dataclasses filled from one TOML file, an unknown key being an error.

The recipe is data: a run's folder keeps the text it was started with, so that a checkpoint can always
say how it came to be.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge.errors import RecipeInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
SCHEMA = 1
BUILT_IN = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class ModelRecipe:
    """The network. ``strides`` are those of the stem and then of each stage; empty: the paper's own."""

    backbone: str
    input_size: int
    width: float = 1.0
    strides: tuple[int, ...] = ()
    dropout: float = 0.2


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from.

    ``mean`` and ``std`` are in grey levels 0-255. ``votes_weight`` is the share of the FER+ vote
    distribution in the target, the rest being the data set's own label.
    """

    mean: float = 127.5
    std: float = 64.0
    votes_weight: float = 0.0


@dataclass(frozen=True)
class AugmentRecipe:
    """Ranges of the random changes made to a training face; 0 switches a change off.

    ``rotate`` in degrees, ``scale``, ``shift`` and ``shear`` as fractions of the picture, ``light`` as a
    factor's deviation from 1, ``noise`` in grey levels, ``blur`` and ``erase`` as probabilities.
    """

    flip: bool = True
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    light: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True)
class TrainRecipe:
    """The optimisation: SGD with Nesterov momentum or AdamW, linear warm-up, then a cosine to zero."""

    epochs: int
    batch_size: int = 128
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.0
    ema: float = 0.999
    autocast: Literal["none", "bfloat16"] = "none"
    seed: int = 1


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, with the text it was read from (its sha256 identifies it)."""

    name: str
    model: ModelRecipe
    data: DataRecipe
    augment: AugmentRecipe
    train: TrainRecipe
    text: str

    @property
    def sha256(self) -> str:
        """Hex digest of the recipe's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def built_in() -> list[str]:
    """Names of the recipes that come with ferlite."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load(name_or_path: str) -> Recipe:
    """Read a recipe by its built-in name or from a file. Raises RecipeInvalid."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = BUILT_IN / f"{name_or_path}.toml"
    if not path.is_file():
        raise RecipeInvalid(
            f"no recipe '{name_or_path}': give a .toml file or one of {', '.join(built_in())}"
        )
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeInvalid(f"recipe '{where}' is not TOML: {error}") from error
    sections = {"model": ModelRecipe, "data": DataRecipe, "augment": AugmentRecipe, "train": TrainRecipe}
    unknown = sorted(set(table) - {"schema", "name", *sections})
    if unknown:
        raise RecipeInvalid(
            f"recipe '{where}': unknown key '{unknown[0]}'; valid keys: schema, name, {', '.join(sections)}"
        )
    if table.get("schema") != SCHEMA:
        raise RecipeInvalid(f"recipe '{where}': schema {table.get('schema')!r} is not {SCHEMA}")
    if not isinstance(table.get("name"), str):
        raise RecipeInvalid(f"recipe '{where}': 'name' is missing")
    return Recipe(
        name=table["name"],
        model=_section(ModelRecipe, table.get("model", {}), f"{where}: model"),
        data=_section(DataRecipe, table.get("data", {}), f"{where}: data"),
        augment=_section(AugmentRecipe, table.get("augment", {}), f"{where}: augment"),
        train=_section(TrainRecipe, table.get("train", {}), f"{where}: train"),
        text=text,
    )


def _section(cls: type[T], values: dict[str, Any], where: str) -> T:
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise RecipeInvalid(
            f"recipe '{where}': unknown key '{unknown[0]}'; valid keys: {', '.join(sorted(known))}"
        )
    tidy = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return cls(**tidy)
    except TypeError as error:
        raise RecipeInvalid(f"recipe '{where}': {error}") from error
