"""OpenVINO: the exported network as IR, quantized by NNCF."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import InputSpec
from edge.engines.openvino import OpenvinoEngine
from edge.errors import BuildFailed, EngineMissing, RecipeInvalid
from quantize.builder import Built, Float, refuse_calibration
from quantize.builders import ir_file
from quantize.network import onnx_graph, onnx_run
from quantize.network.export import INPUT, quiet
from quantize.prepare import calibrate
from quantize.recipe import Recipe

# NNCF's names for our methods. Its percentile is the mean of each face's; its histogram takes the least
# squared error. Left to itself it averages.
ESTIMATORS = {
    "minmax": "MINMAX",
    "average": "MEAN_MINMAX",
    "percentile": "MEAN_QUANTILE",
    "mse": "HISTOGRAM",
}


class OpenvinoBuilder:
    """Makes .xml and .bin: float as converted, int8 with NNCF's fake quantizers folded into 8-bit weights."""

    corrects_bias = True
    needs_program = False

    def versions(self) -> dict[str, str]:
        """openvino writes the file, nncf chooses the ranges."""
        from importlib import metadata

        return {name: _version(metadata, name) for name in ("openvino", "nncf")}

    def plain(self, network: Float) -> Built:
        """The exported network as IR, in float32."""
        return Built(ir_file.save(_read(network)), "fp32")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """Calibrate on ``faces`` with NNCF. Raises BuildFailed, EngineMissing and RecipeInvalid."""
        refuse_calibration(recipe, faces)
        recipe.refuse_unsupported(
            activations=("uint8",), per_channel=(True,), weights=("minmax",), method=tuple(ESTIMATORS)
        )
        import onnx

        types = _float_types(recipe)
        model = _read(network)
        ignored = _operations(model, network, recipe.quantize.keep_float)
        present = {each.get_type_name() for each in model.get_ops()}
        fixed = onnx_run.batch_size(onnx.load_from_string(network.exported.onnx)) or 1
        pictures = calibrate.inputs(faces, network.input)
        told = {name: calibrate.in_turn(values, 0, len(faces)) for name, values in network.told.items()}
        batches = [
            {name: rows[index][None].repeat(fixed, 0) for name, rows in {INPUT: pictures, **told}.items()}
            for index in range(len(faces))
        ]
        try:
            with quiet():
                import nncf

                presets = nncf.QuantizationPreset
                overflow = nncf.quantization.advanced_parameters.OverflowFix
                quantized = nncf.quantize(
                    model,
                    nncf.Dataset(batches),
                    subset_size=len(batches),
                    preset=presets.PERFORMANCE if recipe.quantize.symmetric else presets.MIXED,
                    fast_bias_correction=True,
                    ignored_scope=nncf.IgnoredScope(
                        names=ignored, types=[each for each in types if each in present]
                    ),
                    advanced_parameters=nncf.AdvancedQuantizationParameters(
                        overflow_fix=overflow.ENABLE
                        if recipe.quantize.reduce_range
                        else overflow.FIRST_LAYER,
                        disable_bias_correction=not recipe.quantize.bias_correction,
                        activations_range_estimator_params=_estimator(recipe),
                    ),
                )
        except Exception as error:
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise BuildFailed(f"recipe '{recipe.name}': NNCF cannot quantize it: {reason}") from error
        if recipe.quantize.uint8_input:
            quantized = _take_grey_levels(quantized, network.input)
        return Built(ir_file.save(quantized), "int8")


def _read(network: Float) -> Any:
    # The engine's own way to import it switches off the reports that it, and NNCF after it, would send.
    OpenvinoEngine.version()
    import openvino

    with quiet():
        # Unlike read_model, this folds constants. NNCF needs that: else it gives a depthwise filter a scale
        # per column, for which there is no int8 kernel, and finds no bias to correct.
        return openvino.convert_model(io.BytesIO(network.exported.onnx))


def _operations(model: Any, network: Float, patterns: tuple[str, ...]) -> list[str]:
    """Names of the layers' operations and their activations'.

    Those are the ONNX node's, and those that the converter derived from it.
    """
    import onnx

    source = onnx.load_from_string(network.exported.onnx)
    nodes = onnx_graph.layers_called(source, patterns)
    wanted = onnx_graph.with_activations(source, nodes)
    names = [each.get_friendly_name() for each in model.get_ops() if each.get_type_name() != "Constant"]
    found = [name for name in names if name.partition("/")[0] in wanted]
    lost = set(nodes) - {name.partition("/")[0] for name in found}
    if lost:
        raise BuildFailed(f"keep_float: OpenVINO's model has no layer '{min(lost)}'")
    return found


def _estimator(recipe: Recipe) -> Any:
    from nncf.quantization import range_estimator as nncf_ranges

    how = recipe.calibration
    if how.method != "percentile":
        return getattr(nncf_ranges.RangeEstimatorParametersSet, ESTIMATORS[how.method])
    quantile = nncf_ranges.StatisticsCollectorParameters(
        statistics_type=nncf_ranges.StatisticsType.QUANTILE,
        aggregator_type=nncf_ranges.AggregatorType.MEAN,
        quantile_outlier_prob=(1 - how.percentile / 100) / 2,
    )
    return nncf_ranges.RangeEstimatorParameters(min=quantile, max=quantile)


def _float_types(recipe: Recipe) -> list[str]:
    from openvino import opset13

    known = {name.replace("_", "").lower() for name in dir(opset13)}
    for name in recipe.quantize.float_operators:
        if name.lower() not in known:
            raise RecipeInvalid(f"recipe '{recipe.name}': float_operators: OpenVINO has no operator '{name}'")
    return list(recipe.quantize.float_operators)


def _take_grey_levels(model: Any, spec: InputSpec) -> Any:
    """The model with the normalisation inside, fed uint8: the plugin fuses it into the first layer."""
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    given = steps.input(INPUT)
    given.tensor().set_element_type(Type.u8).set_layout(Layout("NCHW"))
    given.model().set_layout(Layout("NCHW"))
    work = given.preprocess().convert_element_type(Type.f32)
    if spec.channels == 1:
        work.mean(spec.mean[0]).scale(spec.std[0])
    else:
        work.mean(list(spec.mean)).scale(list(spec.std))
    return steps.build()


def _version(metadata: Any, package: str) -> str:
    try:
        return str(metadata.version(package))
    except metadata.PackageNotFoundError as error:
        raise EngineMissing(
            f"building for engine 'openvino' needs the {package} package: "
            "pip install 'ferlite[build-openvino]'"
        ) from error
