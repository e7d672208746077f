from __future__ import annotations

import numpy as np
import onnx
import pytest

from quantize.builder import Float
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits
from quantize.recipe import SensitivityRecipe
from quantize.sensitivity import cost, scan, worst

SPOILT = "features.3.conv.1.0"


def test_the_costs_of_known_answers() -> None:
    plain = np.array([[2.0, 0.0, -2.0], [0.0, 1.0, -1.0]])
    same = cost("l", plain, plain + 5, np.array([0, 1]))
    assert (same.kl, same.sqnr_db, same.agreement, same.drop) == (pytest.approx(0, abs=1e-12), 120, 1, 0)
    other = plain.copy()
    other[1] = [1.0, 0.0, -1.0]
    found = cost("l", plain, other, np.array([0, 1]))
    assert found.agreement == 0.5 and found.drop == 50 and found.kl > 0
    assert found.sqnr_db == pytest.approx(10 * np.log10((plain**2).sum() / 2))


def test_a_spoilt_layer_is_found_to_suffer_most(source: Source, exported: Exported, splits: Splits) -> None:
    """One bias a thousand times the others stretches that layer's range: its other channels vanish."""
    model = onnx.load_from_string(exported.onnx)
    bias = onnx_graph.constants(model)[f"{SPOILT}.bias"].copy()
    follower = "features.3.conv.2.weight"
    weight = onnx_graph.constants(model)[follower].copy()
    weight[:, 0] = 0
    clips = [node for node in model.graph.node if node.op_type == "Clip"]
    assert clips
    bias[0] = 1000.0
    high = next(node for node in clips if node.input[0] in _outputs(model, f"{SPOILT}.weight"))
    high.op_type = "Relu"
    del high.input[1:]
    onnx_graph.set_constants(model, {f"{SPOILT}.bias": bias, follower: weight})
    spoilt = Exported(model.SerializeToString(), exported.program, 0.0)
    network = Float("tiny", spoilt, source.input)
    costs = scan(network, splits.train, SensitivityRecipe(faces=28), 7)
    assert [each.layer for each in costs] == [layer for _, layer in onnx_graph.layers(model)]
    assert set(worst(costs)[:2]) & {SPOILT, "features.3.conv.2"}
    assert worst(costs) == [each.layer for each in sorted(costs, key=lambda each: -each.kl)]
    assert all(each.kl >= 0 and each.sqnr_db > -20 and 0 <= each.agreement <= 1 for each in costs)


def _outputs(model: onnx.ModelProto, weight: str) -> list[str]:
    return [node.output[0] for node in model.graph.node if weight in node.input]
