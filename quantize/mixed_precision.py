"""Mixed precision: a recipe becomes several, each leaving more of the most sensitive layers in float."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from edge.strict import SCHEMA
from quantize.recipe import Recipe


def variants(recipe: Recipe, worst: Sequence[str], first: str) -> list[Recipe]:
    """The recipes that ``recipe.mixed`` stands for, fewest float layers first.

    ``worst`` has the layers, the one that suffers most first; ``first`` is the network's first, without which
    in integers there is no uint8 input. Each variant's text is a recipe file of its own, ``mixed`` resolved.
    """
    if recipe.mixed is None:
        return [recipe]
    most = min(recipe.mixed.limit, len(worst) - 1)
    return [
        _keeping(recipe, worst[:count], first)
        for count in range(recipe.mixed.step, most + 1, recipe.mixed.step)
    ]


def _keeping(recipe: Recipe, layers: Sequence[str], first: str) -> Recipe:
    how = dataclasses.replace(
        recipe.quantize,
        keep_float=tuple(dict.fromkeys((*recipe.quantize.keep_float, *layers))),
        uint8_input=recipe.quantize.uint8_input and first not in layers,
    )
    name = f"{recipe.name}-{len(layers)}"
    made = dataclasses.replace(recipe, name=name, quantize=how, mixed=None)
    return dataclasses.replace(made, text=to_text(made, f"From {recipe.name} ({recipe.sha256[:12]})."))


def to_text(recipe: Recipe, note: str) -> str:
    """A recipe as the TOML text that reads back as it, under a comment."""
    lines = [f"# {note}", f"schema = {SCHEMA}", f"name = {json.dumps(recipe.name)}"]
    lines.append(f"engine = {json.dumps(recipe.engine)}")
    sections = ("calibration", "quantize", "mixed", "qat")
    for section in sections:
        part: Any = getattr(recipe, section)
        if part is not None:
            lines += ["", f"[{section}]"]
            # JSON writes words, numbers, true, false and lists of words as TOML reads them.
            lines += [f"{key} = {json.dumps(value)}" for key, value in dataclasses.asdict(part).items()]
    return "\n".join(lines) + "\n"
