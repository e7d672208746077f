"""A small DenseNet on the four states of newborns.

After Yan et al. (FENP, IEEE TAFFC), of which the public abstract was read. See docs/systems/neonatal.md: what
is learnt from drawings, or from any pictures here, is not for any decision about care.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge.errors import RecipeInvalid
from train.recipe import Recipe, SystemRecipe
from train.systems.plain import Plain


@dataclass(frozen=True)
class NeonatalRecipe(SystemRecipe):
    """Nothing of its own: the backbone is the recipe's, so that others can be held against it."""

    name: str = "neonatal"


class Neonatal(Plain):
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = NeonatalRecipe

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        if recipe.data.labels != "neonatal":
            raise RecipeInvalid(
                f"recipe '{recipe.name}': the system neonatal learns data.labels = \"neonatal\", "
                f'not "{recipe.data.labels}"'
            )
