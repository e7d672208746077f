"""LiteRT: litert-torch converts, ai-edge-quantizer quantizes, both in an environment of their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.classify import to_input
from quantize.builder import Built, Float
from quantize.environment import environment, run_job
from quantize.recipe import Recipe

JOB = Path(__file__).parent / "litert_job.py"
BITS = {"int8": 8, "int16": 16}


class TfliteBuilder:
    """Makes .tflite with batch 1 and the channels last; int8 keeps float32 at its input and output."""

    def __init__(self) -> None:
        self._environment = environment("tflite")

    def versions(self) -> dict[str, str]:
        """The environment's pins."""
        return self._environment.versions()

    def plain(self, network: Float) -> Built:
        """The exported program in float32. Raises BuildFailed."""
        made = run_job(self._environment, JOB, {}, {"program": network.exported.program})
        return Built({".tflite": made}, "fp32", "NHWC")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """8-bit weights, activations as the recipe says. Raises BuildFailed and RecipeInvalid."""
        recipe.refuse_unsupported(
            activations=tuple(BITS), per_channel=(True,), uint8_input=(False,), method=("minmax",),
            symmetric=(False,), bias_correction=(False,),
        )  # fmt: skip
        buffer = io.BytesIO()
        np.save(buffer, to_input(list(faces), network.input, "NHWC"))
        how = recipe.quantize
        order = {"activation_bits": BITS[how.activations], "keep_float": list(how.keep_float)}
        given = {"float": plain.parts[".tflite"], "inputs": buffer.getvalue()}
        made = run_job(self._environment, JOB, order, given)
        return Built(
            {".tflite": made},
            "int8" if how.activations == "int8" else "int8 weights, int16 activations",
            "NHWC",
        )
