"""Recipes and ladders are data: how one engine's model is quantized, and which recipe is tried next.

A recipe is one TOML file for one engine. A ladder names, per engine, the recipes in the order in which
they are tried, and the gate that the first of them must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge import strict
from edge.errors import RecipeInvalid
from edge.files import read_text
from edge.strict import within
from train.recipe_base import Written

T = TypeVar("T")
RECIPES = Path(__file__).parent / "recipes"
LADDERS = Path(__file__).parent / "ladders"

Method = Literal["minmax", "average", "percentile", "mse", "entropy"]
Activations = Literal["uint8", "int8", "int16"]
Weights = Literal["minmax", "mse", "octav"]
Equalization = Literal["none", "unclipped", "relu"]


@dataclass(frozen=True)
class CalibrationRecipe:
    """Which training faces show the quantizer its ranges, and how a range is taken from them.

    ``method``: see ``quantize.prepare.ranges``; ``percentile`` is for the method of that name.
    """

    faces: int = field(default=512, metadata=within(8, 100_000))
    seed: int = field(default=1, metadata=within(0, 1_000_000))
    method: Method = "minmax"
    percentile: float = field(default=99.99, metadata=within(50.0, 100.0))


@dataclass(frozen=True)
class QuantizeRecipe:
    """What becomes integer, and which integer.

    ``keep_float`` names layers left in float: "first", "last", or a pattern of layer names
    (``features.1.*``); ``float_operators`` whole kinds of operators, by the engine's names for them.
    ``uint8_input`` feeds grey levels straight in, the normalisation being the input's scale. ``symmetric``
    centres the activations' ranges on 0. ``weights``: a channel's range is its extremes, or the one with the
    least squared error (tflite). ``reduce_range`` gives weights seven bits of the eight, so that sums do not
    saturate on x86 without VNNI (onnx, openvino). ``bias_correction`` undoes the mean error that rounding the
    weights makes, ``equalization`` evens out the ranges of channels before: see ``quantize.prepare.steps``.
    """

    activations: Activations = "uint8"
    per_channel: bool = True
    symmetric: bool = False
    uint8_input: bool = True
    weights: Weights = "minmax"
    reduce_range: bool = False
    bias_correction: bool = False
    equalization: Equalization = "none"
    keep_float: tuple[str, ...] = ()
    float_operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class MixedRecipe:
    """Mixed precision: the layers that suffer most stay in float, ``step`` more at a time up to ``limit``.

    Which they are, the ladder's sensitivity scan tells.
    """

    step: int = field(default=2, metadata=within(1, 1000))
    limit: int = field(default=6, metadata=within(1, 1000))


@dataclass(frozen=True)
class QatRecipe:
    """Quantization-aware training before the rest of the recipe: see ``quantize.prepare.qat``.

    ``distill`` is the share of the loss that is the float network's answers, at ``temperature``; the rest is
    the labels'. The rate falls from ``lr`` to 0 by a half cosine.
    """

    steps: int = field(default=100, metadata=within(1, 1_000_000))
    batch_size: int = field(default=32, metadata=within(2, 65_536))
    lr: float = field(default=0.001, metadata=within(1e-8, 10.0))
    distill: float = field(default=0.9, metadata=within(0.0, 1.0))
    temperature: float = field(default=2.0, metadata=within(0.1, 50.0))
    seed: int = field(default=1, metadata=within(0, 1_000_000))


@dataclass(frozen=True)
class SensitivityRecipe:
    """The scan that quantizes one layer at a time: on how many calibration ``faces``; 0: no scan."""

    faces: int = field(default=64, metadata=within(0, 100_000))
    seed: int = field(default=1, metadata=within(0, 1_000_000))


@dataclass(frozen=True)
class Recipe(Written):
    """One rung."""

    name: str = field(metadata=within(1, 200))
    engine: str = field(metadata=within(1, 20))
    calibration: CalibrationRecipe
    quantize: QuantizeRecipe
    mixed: MixedRecipe | None = None
    qat: QatRecipe | None = None

    def refuse_unsupported(self, **supported: tuple[Any, ...]) -> None:
        """Raise RecipeInvalid if a setting has a value that this recipe's builder cannot honour."""
        for name, values in supported.items():
            value = getattr(self.quantize if hasattr(self.quantize, name) else self.calibration, name)
            if value not in values:
                valid = ", ".join(repr(each) for each in values)
                raise RecipeInvalid(
                    f"recipe '{self.name}': engine '{self.engine}' has no {name} = {value!r}; valid: {valid}"
                )


@dataclass(frozen=True)
class Gate:
    """What int8 must hold, against the float model in the same engine on the same faces.

    ``drop`` in percentage points of accuracy on the public split, ``board_drop`` in those of balanced
    accuracy, the mean over the domains of ``faces.domains.board``; ``agreement`` as the share of faces given
    the same answer, ``ratio`` as int8 time over float time.
    """

    drop: float = field(default=0.5, metadata=within(0.0, 100.0))
    board_drop: float = field(default=0.5, metadata=within(0.0, 100.0))
    agreement: float = field(default=0.95, metadata=within(0.0, 1.0))
    ratio: float = field(default=1.0, metadata=within(0.0, 1000.0))


@dataclass(frozen=True)
class Ladder(Written):
    """The recipes to try per engine, in order, and the gate."""

    name: str = field(metadata=within(1, 200))
    gate: Gate
    engines: Mapping[str, tuple[Recipe, ...]]
    sensitivity: SensitivityRecipe = field(default=SensitivityRecipe())


def built_in(kind: Path = RECIPES) -> list[str]:
    """Names of the recipes (or, given ``LADDERS``, the ladders) that come with ferlite."""
    return sorted(path.stem for path in kind.glob("*.toml"))


def load(name_or_path: str, beside: Path = RECIPES) -> Recipe:
    """Read a recipe: a built-in name, a .toml file, or one that lies in ``beside``. Raises RecipeInvalid."""
    return _load(name_or_path, "recipe", (beside, RECIPES), parse)


def load_ladder(name_or_path: str) -> Ladder:
    """Read a ladder by its built-in name or from a file; it names built-in recipes or files beside it.

    Raises RecipeInvalid.
    """
    return _load(name_or_path, "ladder", (LADDERS,), parse_ladder)


def parse(text: str, where: Path) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    valid = ("name", "engine", "calibration", "quantize", "mixed", "qat")
    table = strict.read_toml(text, str(where), valid, RecipeInvalid)
    return strict.fill(
        Recipe, {"calibration": {}, "quantize": {}} | table, str(where), RecipeInvalid, text=text
    )


def parse_ladder(text: str, where: Path) -> Ladder:
    """Turn a ladder's text into a Ladder. ``where`` is its file. Raises RecipeInvalid."""
    valid = ("name", "gate", "sensitivity", "engines")
    table = strict.read_toml(text, str(where), valid, RecipeInvalid)
    named = table.get("engines")
    if not isinstance(named, dict) or not named:
        raise RecipeInvalid(f"ladder '{where}': 'engines' must name recipes per engine")
    engines = {}
    for engine, names in named.items():
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RecipeInvalid(f"ladder '{where}': 'engines.{engine}' must be a list of recipes")
        engines[engine] = tuple(load(name, where.parent) for name in names)
        for recipe in engines[engine]:
            if recipe.engine != engine:
                raise RecipeInvalid(
                    f"ladder '{where}': recipe '{recipe.name}' is for '{recipe.engine}', not '{engine}'"
                )
    sections = {key: table.get(key, {}) for key in ("gate", "sensitivity")}
    ladder = strict.fill(
        Ladder, {"name": table.get("name"), **sections}, str(where), RecipeInvalid, engines=engines, text=text
    )
    mixed = [each.name for rungs in engines.values() for each in rungs if each.mixed]
    if mixed and not ladder.sensitivity.faces:
        raise RecipeInvalid(f"ladder '{where}': recipe '{mixed[0]}' is mixed and needs sensitivity.faces")
    return ladder


def _load(name: str, kind: str, folders: tuple[Path, ...], read: Callable[[str, Path], T]) -> T:
    places = [Path(name)] if name.endswith(".toml") else []
    places += [folder / f"{name.removesuffix('.toml')}.toml" for folder in folders]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        known = ", ".join(built_in(folders[-1]))
        raise RecipeInvalid(f"no {kind} '{name}': give a .toml file or one of {known}")
    return read(read_text(path, RecipeInvalid), path)
