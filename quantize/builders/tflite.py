"""LiteRT: litert-torch converts, ai-edge-quantizer quantizes, both in an environment of their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import BuildFailed, RecipeInvalid
from quantize.builder import Built, Float, refuse_calibration
from quantize.builders.environment import environment, run_job
from quantize.network import onnx_graph
from quantize.prepare import calibrate
from quantize.prepare.ranges import METHODS
from quantize.recipe import Recipe

JOB = Path(__file__).parent / "litert_job.py"
BITS = {"int8": 8, "int16": 16}
# Those of LiteRT's operators that a classifier may hold and the quantizer knows.
OPERATORS = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "HARD_SWISH",
    "LOGISTIC",
    "MEAN",
    "MUL",
    "RELU",
    "RESHAPE",
    "SOFTMAX",
    "SUB",
    "SUM",
)


class TfliteBuilder:
    """Makes .tflite with batch 1 and the channels last; int8 keeps float32 at its input and output."""

    corrects_bias = False
    needs_program = True

    def __init__(self) -> None:
        self._environment = environment("tflite")

    def versions(self) -> dict[str, str]:
        """The environment's pins."""
        return self._environment.versions()

    def plain(self, network: Float) -> Built:
        """The exported program in float32. Raises BuildFailed."""
        if network.exported.program is None:
            raise BuildFailed(
                f"engine 'tflite' needs '{network.name}' as a torch program, and it was not exported"
            )
        made = run_job(self._environment, JOB, {}, {"program": network.exported.program})
        return Built({".tflite": made}, "fp32", "NHWC")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """8-bit weights, activations as the recipe says. Raises BuildFailed and RecipeInvalid."""
        import onnx

        refuse_calibration(recipe, faces)
        refuse(recipe)
        buffer = io.BytesIO()
        np.save(buffer, calibrate.inputs(faces, network.input, "NHWC"))
        how = recipe.quantize
        model = onnx.load_from_string(network.exported.onnx)
        order = {
            "activation_bits": BITS[how.activations],
            "method": recipe.calibration.method,
            "percentile": recipe.calibration.percentile,
            "weights": how.weights,
            "layers": onnx_graph.layer_sizes(model),
            "keep_float": onnx_graph.layer_numbers(model, how.keep_float),
            "float_operators": list(how.float_operators),
            "extras": len(network.told),
        }
        given = {"float": plain.parts[".tflite"], "inputs": buffer.getvalue()}
        for number, values in enumerate(network.told.values()):
            buffer = io.BytesIO()
            np.save(buffer, calibrate.in_turn(values, 0, len(faces)))
            given[f"told_{number}"] = buffer.getvalue()
        made = run_job(self._environment, JOB, order, given)
        return Built(
            {".tflite": made},
            "int8" if how.activations == "int8" else "int8 weights, int16 activations",
            "NHWC",
        )


def refuse(recipe: Recipe) -> None:
    """Raise RecipeInvalid for what ai-edge-quantizer cannot do."""
    recipe.refuse_unsupported(
        activations=tuple(BITS),
        per_channel=(True,),
        uint8_input=(False,),
        symmetric=(False,),
        reduce_range=(False,),
    )
    if recipe.quantize.activations == "int16":
        # With 65,536 levels nothing is gained by cutting a range, and its histogram has fewer bins than that.
        recipe.refuse_unsupported(method=tuple(each for each in METHODS if each not in ("mse", "entropy")))
    for name in recipe.quantize.float_operators:
        if name not in OPERATORS:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': float_operators: '{name}' is not one of {', '.join(OPERATORS)}"
            )
