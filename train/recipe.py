"""A training recipe: frozen dataclasses filled from one TOML file, an unknown key being an error.

The recipe is data: a run's folder keeps the text it was started with, so that a checkpoint can always
say how it came to be.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from edge import strict
from edge.bundle_files.sections import PrepareStep
from edge.errors import RecipeInvalid
from edge.files import read_text
from edge.strict import shown, within
from faces.labels import LABEL_SETS, LabelSet
from train.recipe_base import Written
from train.systems.table import SYSTEMS

BUILT_IN = Path(__file__).parent / "recipes"


_PROBABILITY = within(0.0, 1.0)
_ANY_SIZE = within(0.0, float("inf"))


@dataclass(frozen=True)
class ModelRecipe:
    """The network. ``strides`` are those of the stem and then of each stage.

    Empty ``strides`` and ``activation``: the paper's own. ``drop_path`` is the chance of leaving out the last
    block in training, that of earlier blocks grows linearly up to it.
    """

    backbone: str
    input_size: int = field(metadata=within(16, 512))
    width: float = field(default=1.0, metadata=within(0.1, 4.0))
    strides: tuple[int, ...] = field(default=(), metadata=within(1, 2))
    dropout: float = field(default=0.2, metadata=within(0.0, 0.95))
    activation: Literal["", "relu", "relu6", "silu", "hardswish"] = ""
    drop_path: float = field(default=0.0, metadata=within(0.0, 0.95))


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from.

    ``labels`` names the set of ``faces.labels`` that the faces are called by. ``mean`` and ``std`` are in
    grey levels 0-255. ``votes_weight`` is the share of the FER+ vote distribution in the target, the rest
    being the data set's own label. ``balanced``: each source's labels are held against softmax(logits +
    log of its prior), see ``train.lessons``. ``second_share`` of each batch comes from a second data set,
    in which a class of n faces is drawn in proportion to n ** (1 - ``second_balance``). It may be made of
    several (--second again), and ``second_labels`` says of each whether its labels are "noisy" (believed with
    care, see ``train.lessons``; all are where nothing is said) or "sure", as rendered faces' are.
    ``soft_labels``: whose answers the file of --soft-labels is read for; ``second_soft_labels``: which of
    them answered for the first --second too, in the file of --second-soft-labels. ``prepare``: see
    ``edge.prepare``.
    """

    labels: LabelSet = "expressions"
    mean: float = field(default=127.5, metadata=within(0.0, 255.0))
    std: float = field(default=64.0, metadata=within(1.0, 255.0))
    votes_weight: float = field(default=0.0, metadata=_PROBABILITY)
    balanced: bool = False
    second_share: float = field(default=0.0, metadata=within(0.0, 0.9))
    second_balance: float = field(default=0.0, metadata=_PROBABILITY)
    second_labels: tuple[Literal["noisy", "sure"], ...] = ()
    soft_labels: tuple[str, ...] = ()
    second_soft_labels: tuple[str, ...] = ()
    prepare: tuple[PrepareStep, ...] = ()


@dataclass(frozen=True)
class AugmentRecipe:
    """Ranges of the random changes made to a training face; 0 switches a change off.

    ``rotate`` in degrees, ``scale``, ``shift`` and ``shear`` as fractions of the picture, ``light`` as a
    factor's deviation from 1, ``noise`` in grey levels, ``blur``, ``erase``, ``jpeg`` and ``motion`` (while
    exposed) as probabilities, ``mixup`` and ``cutmix`` as the alpha of their Beta distributions (of both,
    each batch gets one).
    """

    flip: bool = True
    rotate: float = field(default=0.0, metadata=within(0.0, 180.0))
    scale: float = field(default=0.0, metadata=_PROBABILITY)
    shift: float = field(default=0.0, metadata=_PROBABILITY)
    shear: float = field(default=0.0, metadata=_PROBABILITY)
    light: float = field(default=0.0, metadata=_PROBABILITY)
    noise: float = field(default=0.0, metadata=within(0.0, 255.0))
    blur: float = field(default=0.0, metadata=_PROBABILITY)
    erase: float = field(default=0.0, metadata=_PROBABILITY)
    jpeg: float = field(default=0.0, metadata=_PROBABILITY)
    motion: float = field(default=0.0, metadata=_PROBABILITY)
    mixup: float = field(default=0.0, metadata=_ANY_SIZE)
    cutmix: float = field(default=0.0, metadata=_ANY_SIZE)


@dataclass(frozen=True)
class TrainRecipe:
    """The optimisation: SGD with Nesterov momentum or AdamW.

    ``schedule`` cosine: linear over ``warmup_epochs``, then a half cosine to zero; one-cycle: see
    ``train.optimise``. ``class_balance`` 0 draws faces as they come, 1 all classes equally often.
    ``focal``: see ``train.lessons``. ``sizes`` are those of the pictures in equal parts of the run, ending
    with the model's. ``distill_weight`` is the teacher's share of the loss, at ``distill_temperature``.
    ``distill_view``: the teacher answers for the "changed" pictures that the student sees, at every step,
    or for the "plain" faces and their mirror images, once. ``frozen``: so many of the network's first parts
    keep their weights, and ``views`` changed views of each face are made with them once (``train.maps``).
    ``start_rate``: weights that may come from a start (--init) move at that share of ``lr``.
    """

    epochs: int = field(metadata=within(1, 100_000))
    # Batch normalisation has no variance to divide by in a batch of one.
    batch_size: int = field(default=128, metadata=within(2, 65_536))
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = field(default=0.1, metadata=within(1e-8, 100.0))
    start_rate: float = field(default=1.0, metadata=within(0.0, 1.0))
    momentum: float = field(default=0.9, metadata=within(0.0, 0.9999))
    weight_decay: float = field(default=5e-4, metadata=_PROBABILITY)
    schedule: Literal["cosine", "one-cycle"] = "cosine"
    warmup_epochs: float = field(default=1.0, metadata=_ANY_SIZE)
    label_smoothing: float = field(default=0.0, metadata=_PROBABILITY)
    focal: float = field(default=0.0, metadata=within(0.0, 10.0))
    class_balance: float = field(default=0.0, metadata=_PROBABILITY)
    sizes: tuple[int, ...] = field(default=(), metadata=within(16, 512))
    distill_weight: float = field(default=0.0, metadata=_PROBABILITY)
    distill_temperature: float = field(default=2.0, metadata=within(0.1, 50.0))
    distill_view: Literal["changed", "plain"] = "changed"
    frozen: int = field(default=0, metadata=within(0, 100))
    views: int = field(default=1, metadata=within(1, 100))
    ema: float = field(default=0.999, metadata=_PROBABILITY)
    autocast: Literal["none", "bfloat16"] = "none"
    seed: int = field(default=1, metadata=within(0, 1_000_000))


@dataclass(frozen=True)
class SystemRecipe:
    """Which system is trained; one that has settings of its own has a dataclass of its own, beside it.

    ``evidence``: it takes the priors of its labels out itself, whatever ``data.balanced`` says.
    """

    evidence: ClassVar[bool] = False

    name: str = "plain"


@dataclass(frozen=True)
class Recipe(Written):
    """A whole recipe."""

    name: str = field(metadata=within(1, 200))
    model: ModelRecipe
    data: DataRecipe
    augment: AugmentRecipe
    train: TrainRecipe
    system: SystemRecipe = SystemRecipe()

    @property
    def labels(self) -> tuple[str, ...]:
        """The words that the network learns, in the order of its logits."""
        return LABEL_SETS[self.data.labels]

    @property
    def evidence(self) -> bool:
        """Whether the network's logits expect nothing: it learns with the priors of its labels taken out."""
        return self.data.balanced or self.system.evidence


def built_in() -> list[str]:
    """Names of the recipes that come with ferlite."""
    return sorted(_files())


def _files() -> dict[str, Path]:
    """The built-in recipes by name: of backbones, and of systems a folder below."""
    return {path.stem: path for path in (*BUILT_IN.glob("*.toml"), *BUILT_IN.glob("systems/*.toml"))}


def load(name_or_path: str) -> Recipe:
    """Read a recipe by its built-in name or from a file. Raises RecipeInvalid."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _files().get(name_or_path, BUILT_IN / f"{name_or_path}.toml")
    if not path.is_file():
        raise RecipeInvalid(
            f"no recipe '{name_or_path}': give a .toml file or one of {', '.join(built_in())}"
        )
    return parse(read_text(path, RecipeInvalid), str(path))


def parse(text: str, where: str) -> Recipe:
    """Turn a recipe's text into a Recipe. ``where`` names it in messages. Raises RecipeInvalid."""
    sections = ("model", "data", "augment", "train")
    table = strict.read_toml(text, where, ("name", *sections, "system"), RecipeInvalid)
    system = _system(table.pop("system", {}), where)
    table = {key: {} for key in sections} | table
    data = table["data"]
    # Before a second data set could be made of several, its labels were one word: runs keep their text.
    if isinstance(data, dict) and isinstance(data.get("second_labels"), str):
        table["data"] = data | {"second_labels": [data["second_labels"]]}
    return strict.fill(Recipe, table, where, RecipeInvalid, text=text, system=system)


def _system(table: Any, where: str) -> SystemRecipe:
    """The section ``system``, by the dataclass of the system that it names."""
    name = table.get("name", "plain") if isinstance(table, dict) else "plain"
    if name not in SYSTEMS:
        raise RecipeInvalid(f"{where}: system: unknown system {shown(name)}: choose {', '.join(SYSTEMS)}")
    if name == "plain":
        return strict.fill(SystemRecipe, table, f"{where}: system", RecipeInvalid)
    # Only here: a system's module imports torch, and recipes refer to it by name.
    module, attribute = SYSTEMS[name].split(":")
    settings = getattr(importlib.import_module(module), attribute).Settings
    filled: SystemRecipe = strict.fill(settings, table, f"{where}: system", RecipeInvalid)
    return filled
