"""What a recipe does to the float network before a quantizer sees it: training, equalizing, correcting."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from quantize.builder import Float
from quantize.network import both_forms, onnx_graph
from quantize.prepare import bias_correction, equalize, observe
from quantize.recipe import Recipe


def prepare(
    network: Float, recipe: Recipe, faces: npt.NDArray[np.uint8], *, corrects_bias: bool = False
) -> Float:
    """The float network as ``recipe`` wants it quantized; the same object where it wants nothing done.

    ``faces`` uint8 [N, H, W] are the calibration faces. ``corrects_bias``: the quantizer does that itself.
    Raises BuildFailed where ``keep_float`` names a layer that is not there.
    """
    how = recipe.quantize
    if how.equalization != "none":
        network = _equalized(network, how.equalization == "relu", faces)
    if how.bias_correction and not corrects_bias:
        model = both_forms.load(network.exported)
        left_out = onnx_graph.layers_called(model, how.keep_float)
        bias_correction.correct(
            model, observe.batches(faces, network.input), left_out, how.per_channel, network.told
        )
        network = dataclasses.replace(network, exported=both_forms.changed(network.exported, model))
    return network


def _equalized(network: Float, to_relu: bool, faces: npt.NDArray[np.uint8]) -> Float:
    model = both_forms.load(network.exported)
    replaced = equalize.replace_clips(model) if to_relu else []
    equalize.equalize(model, {} if to_relu else _limits(model, network, faces))
    return dataclasses.replace(network, exported=both_forms.changed(network.exported, model, replaced))


def _limits(model: object, network: Float, faces: npt.NDArray[np.uint8]) -> dict[str, equalize.Array]:
    watched = [pair.before for pair in equalize.pairs(model) if pair.clip]
    if not watched:
        return {}
    observer, tops = observe.Observer(model, watched, told=network.told), dict.fromkeys(watched)
    for batch in observe.batches(faces, network.input):
        for name, values in observer(batch).items():
            tops[name] = observe.channel_tops(values, tops[name])
    return dict(equalize.lowest_scales(model, {name: top for name, top in tops.items() if top is not None}))
