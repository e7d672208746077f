from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edge.errors import BuildFailed
from quantize.network import onnx_graph
from quantize.network.export import Exported, fold
from quantize.network.source import Source
from quantize.prepare import calibrate, qat
from quantize.prepare.calibrate import Splits
from quantize.recipe import QatRecipe

HOW = QatRecipe(steps=6, batch_size=14, lr=0.002)


def test_rounding_is_that_of_eight_bits() -> None:
    weight = torch.randn(4, 3, 3, 3)
    rounded = qat.RoundedWeight()(weight)
    step = weight.abs().flatten(1).amax(1) / 127
    levels = rounded / step[:, None, None, None]
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert levels.abs().max() <= 127.001 and (rounded - weight).abs().max() <= step.max() / 2 + 1e-6
    activation = qat.RoundedActivation().train()
    values = activation(torch.linspace(-1, 3, 5000))
    assert len(values.unique()) <= 256 and (activation.low, activation.high) == (-1, 3)
    assert activation.eval()(torch.tensor([9.0, -9.0])).tolist() == pytest.approx([3, -1], abs=0.02)


def test_every_layer_is_rounded_and_without_rounding_nothing_changed(source: Source) -> None:
    folded = fold(source.network)
    student = qat.with_rounding(folded)
    layers = [each for each in student.modules() if isinstance(each, (nn.Conv2d, nn.Linear))]
    assert len(layers) > 10
    assert all(nn.utils.parametrize.is_parametrized(each, "weight") for each in layers)
    x = torch.from_numpy(source.example(3))
    with torch.no_grad():
        wanted = folded(x)
        for each in student.modules():
            if isinstance(each, qat.RoundedActivation):
                each.train()
        given = student(x)
        again = qat.without_rounding(student, fold(source.network))(x)
    torch.testing.assert_close(again, wanted)
    assert 0 < (given - wanted).abs().max() < 0.5 * wanted.abs().max()


def test_training_moves_the_rounded_network_towards_the_float_ones_answers(
    source: Source, splits: Splits
) -> None:
    """Weights that were disturbed come nearer again, on faces that the steps did not see."""
    teacher, disturbed = fold(source.network), fold(source.network)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in disturbed.parameters():
            parameter.add_(0.3 * parameter.std() * torch.randn_like(parameter))
    student = qat.with_rounding(disturbed)
    x = torch.from_numpy(calibrate.inputs(splits.public.faces[:70], source.input))
    for each in student.modules():
        if isinstance(each, qat.RoundedActivation):
            each.train()

    def distance() -> float:
        with torch.no_grad():
            return float((student(x).softmax(1) - teacher(x).softmax(1)).abs().mean())

    before = distance()
    qat.learn(student, teacher, source, splits.train, replace(HOW, steps=20, lr=0.0001))
    assert distance() < 0.8 * before


@pytest.mark.slow
def test_what_comes_out_is_an_exported_network_of_the_same_layers(
    source: Source, exported: Exported, splits: Splits
) -> None:
    made = qat.train_quantized(source, splits.train, HOW)
    before, after = (onnx_graph.constants(onnx.load_from_string(each.onnx)) for each in (exported, made))
    assert set(before) == set(after) and made.error < 1e-3
    weights = [name for name in before if name.endswith("weight")]
    assert all(not np.array_equal(before[name], after[name]) for name in weights)
    torch.export.load(io.BytesIO(made.program))


def test_the_same_steps_end_in_the_same_weights(source: Source, splits: Splits) -> None:
    ends = []
    for _ in range(2):
        folded = fold(source.network)
        student = qat.with_rounding(folded)
        qat.learn(student, fold(source.network), source, splits.train, replace(HOW, steps=2))
        ends.append(qat.without_rounding(student, folded).state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_loss_that_is_no_number_is_one_sentence(source: Source, splits: Splits) -> None:
    folded = fold(source.network)
    student = qat.with_rounding(folded)
    with torch.no_grad():
        student.get_submodule("classifier.1").bias.fill_(float("inf"))
    with pytest.raises(BuildFailed, match="the loss is not a finite number at step 0 of qat: lower qat.lr"):
        qat.learn(student, folded, source, splits.train, HOW)
