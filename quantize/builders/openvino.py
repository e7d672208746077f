"""OpenVINO: the exported network as IR, quantized by NNCF."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import InputSpec
from edge.engines.openvino import OpenvinoEngine
from edge.errors import BuildFailed, EngineMissing
from quantize import calibrate, graph
from quantize.builder import Built, Float
from quantize.export import quiet
from quantize.recipe import Recipe


class OpenvinoBuilder:
    """Makes .xml and .bin: float as converted, int8 with NNCF's fake quantizers folded into 8-bit weights."""

    def versions(self) -> dict[str, str]:
        """openvino writes the file, nncf chooses the ranges."""
        from importlib import metadata

        return {name: _version(metadata, name) for name in ("openvino", "nncf")}

    def plain(self, network: Float) -> Built:
        """The exported network as IR, in float32."""
        return Built(_save(_read(network)), "fp32")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """Calibrate on ``faces`` with NNCF. Raises BuildFailed, EngineMissing and RecipeInvalid."""
        import onnx

        recipe.refuse_unsupported(activations=("uint8",), per_channel=(True,), method=("minmax",))
        model = _read(network)
        kept = onnx.load_from_string(network.exported.onnx)
        ignored = graph.layers_called(kept, recipe.quantize.keep_float)
        batches = [face[None] for batch in calibrate.batches(faces, network.input) for face in batch]
        try:
            with quiet():
                import nncf

                presets = nncf.QuantizationPreset
                quantized = nncf.quantize(
                    model,
                    nncf.Dataset(batches),
                    subset_size=len(batches),
                    preset=presets.PERFORMANCE if recipe.quantize.symmetric else presets.MIXED,
                    fast_bias_correction=recipe.quantize.bias_correction,
                    ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
                )
        except Exception as error:
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise BuildFailed(f"recipe '{recipe.name}': NNCF cannot quantize it: {reason}") from error
        if recipe.quantize.uint8_input:
            quantized = _take_grey_levels(quantized, network.input)
        return Built(_save(quantized), "int8")


def _read(network: Float) -> Any:
    # The engine's own way to import it switches off the reports that it, and NNCF after it, would send.
    OpenvinoEngine.version()
    import openvino

    with quiet():
        return openvino.Core().read_model(network.exported.onnx)


def _take_grey_levels(model: Any, spec: InputSpec) -> Any:
    """The model with the normalisation inside, fed uint8: the plugin fuses it into the first layer."""
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    given = steps.input()
    given.tensor().set_element_type(Type.u8).set_layout(Layout("NCHW"))
    given.model().set_layout(Layout("NCHW"))
    work = given.preprocess().convert_element_type(Type.f32)
    if spec.channels == 1:
        work.mean(spec.mean[0]).scale(spec.std[0])
    else:
        work.mean(list(spec.mean)).scale(list(spec.std))
    return steps.build()


def _save(model: Any) -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.xml"
        openvino.save_model(model, target, compress_to_fp16=False)
        return {".xml": target.read_bytes(), ".bin": target.with_suffix(".bin").read_bytes()}


def _version(metadata: Any, package: str) -> str:
    try:
        return str(metadata.version(package))
    except metadata.PackageNotFoundError as error:
        raise EngineMissing(
            f"building for engine 'openvino' needs the {package} package: "
            "pip install 'ferlite[build-openvino]'"
        ) from error
