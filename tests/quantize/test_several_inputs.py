"""A network that is told more than the face, and gives a second output, through every builder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge import engine as engines
from edge.bundle_files.sections import Extra, InputSpec
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed, UsageError
from quantize.builder import Float, builder
from quantize.network.export import Exported, export
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.recipe import parse
from tests.contracts.test_builders import SETTINGS, missing
from tests.train import make
from train.onnx_export import check

SPEC = InputSpec(16, "grey", (100.0,), (60.0,))
REGIONS = Extra("regions", "regions", (6, 4, 4), (1.0,))
FACES = make.faces(np.arange(56) % 7, seed=3, side=16)
RECIPE = (
    '\nschema = 1\nname = "quick"\nengine = "{engine}"\n[calibration]\nfaces = 56\n[quantize]\n{settings}\n'
)


class Told(nn.Module):
    """Maps of the face weighed by each region, to logits and the features before them."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(1, 12, 3, 4, 1), nn.BatchNorm2d(12), nn.ReLU())
        self.mix = nn.Sequential(nn.Conv2d(6, 12, 1), nn.ReLU())
        self.head = nn.Linear(12, 7)

    def forward(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        feature = (self.maps(faces) * self.mix(regions)).mean((2, 3))
        return self.head(feature), feature


@pytest.fixture(scope="module")
def source() -> Source:
    torch.manual_seed(1)
    told = np.random.default_rng(2).random((9, *REGIONS.shape), np.float32)
    return Source(
        "told",
        "told",
        Told().eval(),
        tuple("abcdefg"),
        SPEC,
        "",
        "",
        "",
        extras=(REGIONS,),
        told={"regions": told},
        outputs=("logits", "feature"),
    )


@pytest.fixture(scope="module")
def exported(source: Source) -> Exported:
    return export(source)


def answers(engine: str, built: Any, x: Any, masks: Any) -> list[Any]:
    running = engines.load(engine, ModelFile("told", built.parts), EngineOptions(threads=1))
    if running.inputs[0].dtype == "uint8":
        x = np.clip(np.round(x * SPEC.std[0] + SPEC.mean[0]), 0, 255).astype(np.uint8)
    if built.layout == "NHWC":
        x = x.transpose(0, 2, 3, 1)
    try:
        rows = [running.run([x[k : k + 1], masks[k : k + 1]]) for k in range(len(x))]
    finally:
        running.close()
    return [np.concatenate(each) for each in zip(*rows, strict=True)]


@pytest.mark.parametrize("engine", SETTINGS)
def test_a_builder_takes_both_inputs_and_keeps_both_outputs(
    engine: str, source: Source, exported: Exported
) -> None:
    if reason := missing(engine):
        pytest.skip(reason)
    network, make_it = Float("told", exported, SPEC, source.told), builder(engine)
    plain = make_it.plain(network)
    how = parse(RECIPE.format(engine=engine, settings=SETTINGS[engine]), Path("quick.toml"))
    built = make_it.quantize(network, plain, how, FACES)
    x = calibrate.inputs(FACES[:12], SPEC)
    masks = calibrate.in_turn(source.told["regions"], 3, 12)
    with torch.no_grad():
        wanted = [each.numpy() for each in source.network(torch.from_numpy(x), torch.from_numpy(masks))]
    for model, most in ((plain, 0.01), (built, 0.15)):
        given = answers(engine, model, x, masks)
        assert [each.shape for each in given] == [(12, 7), (12, 12)]
        for ours, theirs in zip(given, wanted, strict=True):
            # Grey levels are whole in an int8 model: its input is off by up to half of one.
            assert np.abs(ours - theirs).max() < most * np.abs(theirs).max()
    other = answers(engine, built, x, np.zeros_like(masks))
    assert np.abs(other[0] - wanted[0]).max() > 0.2 * np.abs(wanted[0]).max()


def test_an_export_that_gets_the_second_output_wrong_is_found(source: Source, exported: Exported) -> None:
    class Off(Told):
        def forward(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits, feature = super().forward(faces, regions)
            return logits, feature * 1.1

    other = Off().eval()
    other.load_state_dict(source.network.state_dict())
    with pytest.raises(BuildFailed, match="the ONNX export of 'told' differs"):
        check(exported.onnx, other, [torch.from_numpy(each) for each in source.examples(3)], "told")


def test_its_memory_and_time_are_measured(exported: Exported) -> None:
    from measure import memory, race

    plain = builder("onnx").plain(Float("told", exported, SPEC))
    assert memory.peak_rss("onnx", plain, SPEC) > 10
    assert race.race("onnx", plain, plain, SPEC).float_ms > 0


def test_training_for_int8_and_the_table_of_sizes_refuse_it_in_one_sentence(source: Source) -> None:
    from quantize.prepare.qat import train_quantized
    from quantize.recipe import QatRecipe

    said = (
        r"model 'told' is told regions beside the face, and training for int8 \(qat\) knows of faces alone: "
    )
    with pytest.raises(UsageError, match=said + "give a ladder without it, as --ladder short"):
        train_quantized(source, make.face_set(20, 1), QatRecipe())
    with pytest.raises(UsageError, match="and the table of sizes knows of faces alone: leave it out"):
        source.refuse_told("the table of sizes", "leave it out")
    dataclasses.replace(source, extras=()).refuse_told("the table of sizes", "leave it out")
