"""The climb of a network that is no classifier: what int8 costs is told by the network's own measure.

The builders are those of every other bundle. Their gate (``quantize.gate``) compares a classifier's answers;
here ``judged`` says what a model is worth in its engine. The first rung that passes ships; where none does,
the float model does, and the row of the record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.errors import EngineError, ModelMismatch
from quantize.builder import Built, Float, builder
from quantize.recipe import load as load_recipe

# The rungs of each engine's ladder, the plainest first.
LADDERS = {
    "onnx": ("onnx-minmax", "onnx-mse", "onnx-percentile"),
    "tflite": ("tflite-static", "tflite-mse", "tflite-static-a16"),
    "openvino": ("openvino-minmax", "openvino-average"),
}

Figures = dict[str, Any]


@dataclass(frozen=True)
class Climb:
    """How a network is made int8 and judged.

    ``calibration`` gives so many pictures uint8 [N, H, W] to calibrate on; ``judged`` what a model does in an
    engine, JSON-ready; ``lost`` how much worse that is than the float network, by name, of which each may be
    ``most_lost``.
    """

    network: Float
    calibration: Callable[[int], npt.NDArray[np.uint8]]
    judged: Callable[[Built, str], Figures]
    lost: Callable[[Figures], Mapping[str, float]]
    most_lost: float

    def __call__(self, engine: str) -> tuple[Built, Figures]:
        """What ships for ``engine``, and its row of the record. Raises BuildFailed and RecipeInvalid."""
        makes = builder(engine)
        plain, rungs = makes.plain(self.network), []
        for rung in LADDERS[engine]:
            recipe = load_recipe(rung)
            pictures = self.calibration(recipe.calibration.faces)
            try:
                built = makes.quantize(self.network, plain, recipe, pictures)
                figures = self.judged(built, engine)
            except (EngineError, ModelMismatch) as error:
                rungs.append({"recipe": rung, "failed": str(error), "passed": False})
                continue
            lost = dict(self.lost(figures))
            rungs.append({"recipe": rung, "lost": lost, "passed": max(lost.values()) <= self.most_lost})
            if rungs[-1]["passed"]:
                break
        passed = bool(rungs[-1]["passed"])
        if not passed:
            built, figures = plain, self.judged(plain, engine)
        row = {
            "passed": passed,
            "recipe": rung if passed else "",
            "ships": built.precision,
            "version": engines.engine_class(engine).version(),
            "bytes": built.size,
            "rungs": rungs,
            **figures,
        }
        return built, row
