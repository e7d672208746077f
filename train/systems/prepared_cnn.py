"""A small CNN on prepared pictures: equalised, brightened or locally normalised before it sees them.

After Luo et al. (ICPECA 2023), of which only the survey's sentence is public. The steps are the recipe's
``data.prepare``; they travel in the bundle, and the runtime takes them. See docs/systems/prepared_cnn.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from train.recipe import SystemRecipe
from train.systems.plain import Plain


@dataclass(frozen=True)
class PreparedCnnRecipe(SystemRecipe):
    """Nothing of its own: what is done to pictures stands in ``data.prepare``, and may be nothing."""

    name: str = "prepared_cnn"


class PreparedCnn(Plain):
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = PreparedCnnRecipe
