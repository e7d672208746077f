"""Which layer suffers most from 8 bits: one layer quantized at a time, all others in float.

The costs are those of the network as ONNX Runtime's quantizer makes it (8-bit weights per channel, 8-bit
activations into and out of the layer); they rank the layers for every engine, since all round alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.commands.progress import Progress
from faces.face_set import FaceSet
from quantize.builder import Float
from quantize.builders import qdq
from quantize.network import onnx_graph
from quantize.network.export import quiet
from quantize.network.onnx_run import of_faces
from quantize.prepare import calibrate, observe
from quantize.prepare.ranges import Range
from quantize.recipe import CalibrationRecipe, QuantizeRecipe, SensitivityRecipe

BATCH = 32
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What 8 bits in one layer alone do to the answers on the scan's faces.

    ``kl``: mean Kullback-Leibler divergence of the weights from float's, in nats; ``sqnr_db``: power of the
    float logits over that of their error, in decibels (capped at 120: no error); ``agreement``: share of
    faces that keep their answer; ``drop``: percentage points of accuracy.
    """

    layer: str
    kl: float
    sqnr_db: float
    agreement: float
    drop: float


def scan(network: Float, train: FaceSet, how: SensitivityRecipe, classes: int) -> list[Cost]:
    """Every layer's cost, from input to output, on ``how.faces`` training faces. Raises DataInvalid."""
    import onnx

    choice = CalibrationRecipe(faces=how.faces, seed=how.seed)
    places = calibrate.chosen(train, choice, classes)
    faces, labels = train.faces[places], train.labels[places]
    model = onnx.load_from_string(network.exported.onnx)
    x = calibrate.inputs(faces, network.input)
    plain = _logits(model, x)
    found = []
    with quiet():
        ranges = observe.ranges(
            model, faces, network.input, "minmax", 100.0, "the sensitivity scan", network.told
        )
        layers = onnx_graph.layers(model)
        with Progress("sensitivity of each layer", len(layers), "layers") as progress:
            for node, layer in layers:
                found.append(cost(layer, plain, _logits(_alone(model, node, ranges, network), x), labels))
                progress.advance(1)
    return found


def cost(layer: str, plain: Logits, quantized: Logits, labels: npt.NDArray[Any]) -> Cost:
    """What became of the logits ``plain`` [N, classes] when they came to be ``quantized``."""
    # A constant added to a face's logits changes no answer: it is neither signal nor error.
    before, after = (each - each.mean(1, keepdims=True) for each in (plain, quantized))
    error = float(((after - before) ** 2).sum())
    signal = float((before**2).sum())
    logs, logs_after = _log_softmax(before), _log_softmax(after)
    right = [float((each.argmax(1) == labels).mean()) for each in (plain, quantized)]
    return Cost(
        layer=layer,
        kl=float((np.exp(logs) * (logs - logs_after)).sum(1).mean()),
        sqnr_db=float(min(120.0, 10 * np.log10(signal / error))) if error > 0 and signal > 0 else 120.0,
        agreement=float((plain.argmax(1) == quantized.argmax(1)).mean()),
        drop=100 * (right[0] - right[1]),
    )


def worst(costs: Sequence[Cost]) -> list[str]:
    """Layer names, the one that costs most first."""
    return [each.layer for each in sorted(costs, key=lambda each: -each.kl)]


def _alone(model: Any, node: str, ranges: Mapping[str, Range], network: Float) -> Any:
    """The network with this layer alone quantized, together with the activation right after it."""
    nodes = {each.name: each for each in model.graph.node}
    only = [node]
    users = [each for each in model.graph.node if nodes[node].output[0] in each.input]
    only += [each.name for each in users if each.op_type in ("Relu", "Clip")]
    how = QuantizeRecipe(uint8_input=False)
    return qdq.insert(model, ranges, how, network.input, only=only)


def _logits(model: Any, x: npt.NDArray[Any]) -> Logits:
    return np.asarray(of_faces(model, x, BATCH), np.float64)


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))
