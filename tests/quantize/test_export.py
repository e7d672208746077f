from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edge.engine import EngineOptions, ModelFile, load
from edge.errors import BuildFailed, DataInvalid
from quantize.network import export as exporting
from quantize.network.export import Exported
from quantize.network.load import load_source, refuse_non_classifier
from quantize.network.source import Source
from train import onnx_export


def test_every_form_gives_the_networks_logits(source: Source, exported: Exported) -> None:
    x = torch.from_numpy(source.example(5))
    with torch.no_grad():
        wanted = source.network(x).numpy()
    engine = load("onnx", ModelFile("m", {".onnx": exported.onnx}), EngineOptions(threads=1))
    np.testing.assert_allclose(engine.run([x.numpy()])[0], wanted, rtol=1e-3, atol=1e-4)
    program = torch.export.load(io.BytesIO(exported.program)).module()
    np.testing.assert_allclose(program(x[:1]).detach().numpy(), wanted[:1], rtol=1e-3, atol=1e-4)
    assert 0 <= exported.error < 1e-3


def test_the_onnx_is_folded_dynamic_and_free_of_notes(exported: Exported) -> None:
    model = onnx.load_from_string(exported.onnx)
    operators = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in operators and "GlobalAveragePool" in operators
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param and not batch.HasField("dim_value")
    assert model.opset_import[0].version == onnx_export.OPSET
    assert b".py" not in exported.onnx and not any(node.metadata_props for node in model.graph.node)


def test_an_onnx_that_answers_otherwise_is_refused(source: Source, exported: Exported) -> None:
    assert (
        onnx_export.check(exported.onnx, source.network, torch.from_numpy(source.example(4)), "tiny")
        == exported.error
    )
    model = onnx.load_from_string(exported.onnx)
    bias = next(each for each in model.graph.initializer if each.name == "classifier.1.bias")
    moved = onnx.numpy_helper.to_array(bias) + 0.5
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, bias.name))
    with pytest.raises(BuildFailed, match="differs from the network by"):
        onnx_export.check(
            model.SerializeToString(), source.network, torch.from_numpy(source.example(4)), "tiny"
        )


def test_a_network_that_cannot_be_traced_is_one_sentence(source: Source) -> None:
    class Choosy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(BuildFailed, match="the network cannot be traced"):
        exporting.export(replace(source, model=Choosy()))


def test_weights_that_are_not_numbers_are_refused_by_name(run: Path, tmp_path: Path) -> None:
    saved = torch.load(run / "best.pt", weights_only=True)
    saved["model"]["classifier.1.weight"][2, 3] = float("nan")
    torch.save(saved, tmp_path / "best.pt")
    with pytest.raises(DataInvalid, match=r"weight 'classifier.1.weight' holds values that are not finite"):
        load_source(tmp_path)


def test_what_is_no_classifier_of_these_labels_is_refused(source: Source) -> None:
    with pytest.raises(DataInvalid, match=r"no classifier of 6 labels: 2 faces give \(2, 7\), not \(2, 6\)"):
        refuse_non_classifier(replace(source, labels=source.labels[:6]))
    with pytest.raises(DataInvalid, match="is no classifier of 7 labels"):
        refuse_non_classifier(replace(source, model=nn.Identity()))


def test_a_folder_without_a_finished_epoch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"has no best.pt: no epoch of that run has ended yet"):
        load_source(tmp_path)
