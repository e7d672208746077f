"""What recipes have in common: their text, and training by numbered steps.

A run keeps the text, so that a checkpoint can always say how it came to be.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeVar

from edge import strict
from edge.errors import RecipeInvalid
from edge.strict import within

W = TypeVar("W", bound="Written")


@dataclass(frozen=True)
class Written:
    """A recipe, with the text that it was read from."""

    text: str

    @property
    def sha256(self) -> str:
        """Hex digest of the recipe's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class StepsRecipe:
    """The section ``learn`` of what is trained by steps (``train.stepwise``): AdamW.

    ``lr`` is reached after ``warmup_steps``, a half cosine to zero follows. ``ema``: how much of the averaged
    weights a step keeps.
    """

    steps: int = field(metadata=within(1, 10_000_000))
    batch_size: int = field(default=128, metadata=within(2, 4096))
    lr: float = field(default=3e-3, metadata=within(1e-8, 1.0))
    weight_decay: float = field(default=0.01, metadata=within(0.0, 1.0))
    warmup_steps: int = field(default=100, metadata=within(0, 100_000))
    ema: float = field(default=0.995, metadata=within(0.0, 1.0))
    seed: int = field(default=1, metadata=within(0, 1_000_000))


def parse_steps(kind: type[W], text: str, where: str, more: tuple[str, ...] = ()) -> W:
    """The recipe ``kind`` of what is trained by steps: its name, what is in ``more``, and three sections.

    ``where`` names the text in messages. Raises RecipeInvalid.
    """
    sections = ("network", "change", "learn")
    table = strict.read_toml(text, where, ("name", *more, *sections), RecipeInvalid)
    return strict.fill(kind, {key: {} for key in sections} | table, where, RecipeInvalid, text=text)
