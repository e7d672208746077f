"""A training recipe: frozen dataclasses filled from one TOML file, an unknown key being an error.

The recipe is data: a run's folder keeps the text it was started with, so that a checkpoint can always
say how it came to be.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from edge.errors import RecipeInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
SCHEMA = 1
BUILT_IN = Path(__file__).parent / "recipes"


def _within(low: float, high: float) -> dict[str, tuple[float, float]]:
    """Metadata of a field whose value, or whose every item, must lie in ``low``-``high``, both included."""
    return {"range": (low, high)}


_PROBABILITY = _within(0.0, 1.0)
_ANY_SIZE = _within(0.0, float("inf"))


@dataclass(frozen=True)
class ModelRecipe:
    """The network. ``strides`` are those of the stem and then of each stage.

    Empty ``strides`` and ``activation``: the paper's own. ``drop_path`` is the chance of leaving out the last
    block in training, that of earlier blocks grows linearly up to it.
    """

    backbone: str
    input_size: int = field(metadata=_within(16, 512))
    width: float = field(default=1.0, metadata=_within(0.1, 4.0))
    strides: tuple[int, ...] = field(default=(), metadata=_within(1, 2))
    dropout: float = field(default=0.2, metadata=_within(0.0, 0.95))
    activation: Literal["", "relu", "relu6", "silu", "hardswish"] = ""
    drop_path: float = field(default=0.0, metadata=_within(0.0, 0.95))


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from.

    ``mean`` and ``std`` are in grey levels 0-255. ``votes_weight`` is the share of the FER+ vote
    distribution in the target, the rest being the data set's own label.
    """

    mean: float = field(default=127.5, metadata=_within(0.0, 255.0))
    std: float = field(default=64.0, metadata=_within(1.0, 255.0))
    votes_weight: float = field(default=0.0, metadata=_PROBABILITY)


@dataclass(frozen=True)
class AugmentRecipe:
    """Ranges of the random changes made to a training face; 0 switches a change off.

    ``rotate`` in degrees, ``scale``, ``shift`` and ``shear`` as fractions of the picture, ``light`` as a
    factor's deviation from 1, ``noise`` in grey levels, ``blur`` and ``erase`` as probabilities, ``mixup``
    and ``cutmix`` as the alpha of their Beta distributions (of both, each batch gets one).
    """

    flip: bool = True
    rotate: float = field(default=0.0, metadata=_within(0.0, 180.0))
    scale: float = field(default=0.0, metadata=_PROBABILITY)
    shift: float = field(default=0.0, metadata=_PROBABILITY)
    shear: float = field(default=0.0, metadata=_PROBABILITY)
    light: float = field(default=0.0, metadata=_PROBABILITY)
    noise: float = field(default=0.0, metadata=_within(0.0, 255.0))
    blur: float = field(default=0.0, metadata=_PROBABILITY)
    erase: float = field(default=0.0, metadata=_PROBABILITY)
    mixup: float = field(default=0.0, metadata=_ANY_SIZE)
    cutmix: float = field(default=0.0, metadata=_ANY_SIZE)


@dataclass(frozen=True)
class TrainRecipe:
    """The optimisation: SGD with Nesterov momentum or AdamW.

    ``schedule`` cosine: linear over ``warmup_epochs``, then a half cosine to zero; one-cycle: see
    ``train.optimise``. ``class_balance`` 0 draws faces as they come, 1 all classes equally often. ``sizes``
    are those of the pictures in equal parts of the run, ending with the model's. ``distill_weight`` is the
    teacher's share of the loss, at ``distill_temperature``.
    """

    epochs: int = field(metadata=_within(1, 100_000))
    # Batch normalisation has no variance to divide by in a batch of one.
    batch_size: int = field(default=128, metadata=_within(2, 65_536))
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = field(default=0.1, metadata=_within(1e-8, 100.0))
    momentum: float = field(default=0.9, metadata=_within(0.0, 0.9999))
    weight_decay: float = field(default=5e-4, metadata=_PROBABILITY)
    schedule: Literal["cosine", "one-cycle"] = "cosine"
    warmup_epochs: float = field(default=1.0, metadata=_ANY_SIZE)
    label_smoothing: float = field(default=0.0, metadata=_PROBABILITY)
    class_balance: float = field(default=0.0, metadata=_PROBABILITY)
    sizes: tuple[int, ...] = field(default=(), metadata=_within(16, 512))
    distill_weight: float = field(default=0.0, metadata=_PROBABILITY)
    distill_temperature: float = field(default=2.0, metadata=_within(0.1, 50.0))
    ema: float = field(default=0.999, metadata=_PROBABILITY)
    autocast: Literal["none", "bfloat16"] = "none"
    seed: int = field(default=1, metadata=_within(0, 1_000_000))


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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"recipe '{path}' cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeInvalid(f"recipe '{where}' is not TOML: {error}") from error
    sections = {"model": ModelRecipe, "data": DataRecipe, "augment": AugmentRecipe, "train": TrainRecipe}
    _refuse_unknown(table, ["schema", "name", *sections], where)
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


def _refuse_unknown(values: dict[str, Any], valid: list[str], where: str) -> None:
    unknown = sorted(set(values) - set(valid))
    if unknown:
        raise RecipeInvalid(f"recipe '{where}': unknown key '{unknown[0]}'; valid keys: {', '.join(valid)}")


def _section(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, dict):
        raise RecipeInvalid(f"recipe '{where}' must be a table of settings, not {values!r}")
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    _refuse_unknown(values, sorted(known), where)
    kinds = get_type_hints(cls)
    tidy = {
        key: _checked(value, kinds[key], known[key].metadata.get("range"), f"{where}.{key}")
        for key, value in values.items()
    }
    try:
        return cls(**tidy)
    except TypeError as error:
        missing = [name for name in known if name not in values]
        raise RecipeInvalid(f"recipe '{where}': '{missing[0]}' is missing") from error


def _checked(value: Any, kind: Any, span: tuple[float, float] | None, where: str) -> Any:
    """``value`` as ``kind`` (a field's annotation) says it is; TOML's 1 will do where 1.0 is meant."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeInvalid(f"recipe '{where}': {value!r} is not one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RecipeInvalid(f"recipe '{where}': {value!r} is not a list")
        return tuple(_checked(item, get_args(kind)[0], span, where) for item in value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise RecipeInvalid(f"recipe '{where}': {value!r} is not of type {kind.__name__}")
    if span and not span[0] <= value <= span[1]:
        raise RecipeInvalid(f"recipe '{where}': {value!r} is not in {span[0]:g} to {span[1]:g}")
    return value
