"""ONNX Runtime: QDQ quantization by onnxruntime.quantization, then the graph made small."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.errors import BuildFailed, RecipeInvalid
from quantize.builder import Built, Float, refuse_calibration
from quantize.builders import qdq
from quantize.network import onnx_graph
from quantize.network.export import quiet
from quantize.prepare import observe
from quantize.recipe import Recipe


class OnnxBuilder:
    """Makes .onnx files: float as exported, int8 as QDQ with 8-bit weights."""

    corrects_bias = False
    needs_program = False

    def versions(self) -> dict[str, str]:
        """onnxruntime writes the graph, onnx the bytes."""
        import onnx
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}

    def plain(self, network: Float) -> Built:
        """The exported file itself."""
        return Built({".onnx": network.exported.onnx}, "fp32")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """Calibrate on ``faces`` and write QDQ. Raises BuildFailed and RecipeInvalid."""
        import onnx

        refuse_calibration(recipe, faces)
        recipe.refuse_unsupported(weights=("minmax",))
        _refuse_operators(recipe)
        how, calibration = recipe.quantize, recipe.calibration
        model = onnx.load_from_string(network.exported.onnx)
        left_out = onnx_graph.with_activations(model, onnx_graph.layers_called(model, how.keep_float))
        try:
            with quiet():
                found = observe.ranges(
                    model,
                    faces,
                    network.input,
                    calibration.method,
                    calibration.percentile,
                    recipe.name,
                    network.told,
                )
                quantized = qdq.insert(model, found, how, network.input, left_out=left_out)
        except BuildFailed:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise BuildFailed(f"recipe '{recipe.name}': ONNX Runtime cannot quantize it: {reason}") from error
        if how.uint8_input:
            scales, zeros = qdq.input_scales(network.input)
            if len(scales) > 1 or not onnx_graph.uint8_input(quantized):
                onnx_graph.take_grey_levels(quantized, scales, zeros)
        onnx_graph.drop_zero_points(quantized)
        onnx_graph.tidy(quantized)
        return Built({".onnx": quantized.SerializeToString(deterministic=True)}, "int8")


def _refuse_operators(recipe: Recipe) -> None:
    import onnx

    known = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
    for name in recipe.quantize.float_operators:
        if name not in known:
            raise RecipeInvalid(f"recipe '{recipe.name}': float_operators: ONNX has no operator '{name}'")
