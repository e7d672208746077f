"""A trained landmark network to a bundle of kind "landmarks": exported, made int8, held against the network.

The builders are those of every other bundle. Their gate compares answers of a classifier, so here ``judge``
says what int8 costs, in the engine itself, and the gate is of a hundredth: of the eyes' distance for the
error, and of the AUC of what is seen. The first rung of an engine's ladder that passes ships; where none
does, the float network does, and the record says so.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge import engine as engines
from edge import strict
from edge.bundle import Bundle
from edge.bundle_files import writer
from edge.bundle_files.sections import AccuracyRecord, CropRule, DoubtRule, InputSpec
from edge.classify import in_batches
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed, DataInvalid, EngineError, ModelMismatch
from faces.crop_rule import measured_rules
from pages.card import FILE
from quantize.builder import Built, Float, builder
from quantize.landmarks_card import accuracy_of, card_of
from quantize.landmarks_lean import HARDLY, WithoutCoarse, wakes
from quantize.network import onnx_graph
from quantize.network.export import Exported, fold
from quantize.recipe import load as load_recipe
from train.landmarks import judge
from train.landmarks.change import plain
from train.landmarks.judge import Ask
from train.landmarks.learn import Learnt, load_learnt
from train.landmarks.marked import CROP, MarkedFaces
from train.landmarks.network import POINTS
from train.onnx_export import INPUT, IR_VERSION, OPSET, TOLERANCE, quiet, tidy

OUTPUTS = ("points", "visible")
# The rungs of each engine's ladder, the plainest first.
LADDERS = {
    "onnx": ("onnx-minmax", "onnx-mse", "onnx-percentile"),
    "tflite": ("tflite-static", "tflite-mse", "tflite-static-a16"),
    "openvino": ("openvino-minmax", "openvino-average"),
}
MOST_LOST = 0.01  # by which int8 may be worse: of the eyes' distance, and of the AUC
WANTED = {"error": 0.05, "auc_worn": 0.95}  # of the network, before int8


class Answering(nn.Module):  # type: ignore[misc]
    """The network as a board asks it: points [N, 136] in shares of the crop, and [N, 68], 0 hidden to 1
    seen."""

    def __init__(self, learnt: Learnt) -> None:
        super().__init__()
        self.network = learnt.network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Grey crops float32 [N, 1, S, S], standardised."""
        points, logits = self.network(x)
        return points.flatten(1), logits.sigmoid()


def exported(learnt: Learnt, program: bool = False) -> Exported:
    """The network as one ONNX file for any batch size, and as a ``program`` where that is asked for.

    Raises BuildFailed where it answers otherwise than the network.
    """
    network = fold(Answering(learnt).eval())
    size = learnt.recipe.network.input_size
    example = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (4, 1, size, size)).astype(np.float32))
    try:
        with quiet():
            made: Any = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                external_data=False,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except Exception as error:  # the exporter's many stages have no error in common
        raise BuildFailed(f"the landmark network cannot be exported: {error}") from error
    model = made.model_proto
    model.ir_version = IR_VERSION
    tidy(model)
    onnx_graph.pool_means(model)
    content: bytes = model.SerializeToString(deterministic=True)
    with torch.no_grad():
        wanted = [each.numpy() for each in Answering(learnt).eval()(example)]
    engine = engines.load("onnx", ModelFile("landmarks.onnx", {".onnx": content}), EngineOptions(threads=1))
    given = engine.run([example.numpy()])
    engine.close()
    off = max(float(np.abs(a - b).max()) for a, b in zip(given, wanted, strict=True))
    if not off < TOLERANCE:
        raise BuildFailed(f"the ONNX export of the landmark network differs from it by {off:.1e}")
    saved = io.BytesIO()
    if program:
        with quiet():
            torch.export.save(torch.export.export(network, (example[:1],)), saved)
    return Exported(content, saved.getvalue() if program else None, off)


def quantized(learnt: Learnt, faces: MarkedFaces, engine: str, form: Exported, rung: str = "") -> Built:
    """The engine's int8 model by its recipe ``rung`` ("": the first), calibrated on ``faces``.

    Raises BuildFailed and RecipeInvalid.
    """
    recipe = load_recipe(rung or LADDERS[engine][0])
    makes, network = builder(engine), Float(learnt.recipe.name, form, spec_of(learnt))
    spread = np.linspace(0, len(faces) - 1, min(recipe.calibration.faces, len(faces))).astype(int)
    crops = plain(faces, spread.astype(np.int64)).pictures[:, 0].astype(np.uint8)
    return makes.quantize(network, makes.plain(network), recipe, crops)


def spec_of(learnt: Learnt) -> InputSpec:
    """What the network wants to see."""
    recipe = learnt.recipe
    return InputSpec(recipe.network.input_size, "grey", (recipe.mean,), (recipe.std,))


def asker(built: Built, engine: str, spec: InputSpec) -> Ask:
    """``built`` in its engine, to be judged: takes grey levels, gives points and logits of what is seen."""
    running = engines.load(engine, ModelFile("landmarks", built.parts), EngineOptions(threads=1))
    grey = running.inputs[0].dtype == "uint8"

    def ask(pictures: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        x = pictures if grey else (pictures - spec.mean[0]) / spec.std[0]
        x = x.transpose(0, 2, 3, 1) if built.layout == "NHWC" else x
        x = x.astype(running.inputs[0].dtype)
        by_size = sorted(in_batches(running, [x], running.inputs[0].shape[0]), key=lambda each: each.size)
        seen = np.clip(by_size[0].reshape(-1, POINTS), 1e-6, 1 - 1e-6)
        return by_size[1].reshape(-1, POINTS, 2), np.log(seen / (1 - seen))

    return ask


def climbed(
    learnt: Learnt, faces: MarkedFaces, test: MarkedFaces, engine: str, form: Exported, held: dict[str, Any]
) -> tuple[Built, dict[str, Any]]:
    """What ships for ``engine``, and its row of the record: the first rung that passes against ``held``, what
    the float network does on ``test``.
    """
    rungs: list[dict[str, Any]] = []
    for rung in LADDERS[engine]:
        try:
            built = quantized(learnt, faces, engine, form, rung)
            figures = judge.judge(test, asker(built, engine, spec_of(learnt)))
        except (EngineError, ModelMismatch) as error:
            passed = False
            rungs.append({"recipe": rung, "failed": str(error), "passed": passed})
            continue
        lost = {
            "error": round(figures["error"] - held["error"], 5),
            "auc_worn": round(held["auc_worn"] - figures["auc_worn"], 5),
        }
        passed = max(lost.values()) <= MOST_LOST
        rungs.append({"recipe": rung, "lost": lost, "passed": passed})
        if passed:
            break
    else:
        makes = builder(engine)
        built = makes.plain(Float(learnt.recipe.name, form, spec_of(learnt)))
        figures = judge.judge(test, asker(built, engine, spec_of(learnt)))
    row = {
        "passed": passed,
        "recipe": rung if passed else "",
        "ships": built.precision,
        "version": engines.engine_class(engine).version(),
        "bytes": built.size,
        "rungs": rungs,
        **figures,
    }
    return built, row


def bundle(
    learnt: Learnt,
    models: dict[str, Built],
    out: Path,
    made_by: dict[str, Any],
    card: str = "",
    accuracy: tuple[AccuracyRecord, ...] = (),
) -> Bundle:
    """Write the bundle ``out``, with its ``card`` and ``accuracy``.

    Raises DataInvalid, StorageFailed and UsageError.
    """
    writer.refuse_output(out)
    rules = measured_rules("fer2013")
    about = Bundle(
        path=out,
        name=learnt.recipe.name,
        description="68 landmarks and how surely each is seen, 64 px grey",
        labels=(),
        input=spec_of(learnt),
        crop=strict.fill(CropRule, {**rules["crop"], "size": CROP}, "fer2013: crop", DataInvalid),
        temperature=1.0,
        doubt=strict.fill(DoubtRule, rules["doubt"], "fer2013: doubt", DataInvalid),
        files={},
        accuracy=accuracy,
        made_by={**made_by, "recipe": learnt.recipe.text},
        kind="landmarks",
    )
    parts = {
        engine: writer.Model(dict(built.parts), built.precision, built.layout)
        for engine, built in models.items()
    }
    told, content = writer.compose(about, parts)
    cards = {FILE: card.encode()} if card else {}
    return writer.write(out, told, {**content, **cards, "landmarks.toml": learnt.recipe.text.encode()})


def build(
    run: Path, faces: MarkedFaces, test: MarkedFaces, out: Path, names: Sequence[str], command: str = ""
) -> dict[str, Any]:
    """Build for the engines ``names`` of the trained ``run``, judge each on ``test``, write the bundle
    ``out``.

    ``faces`` calibrate. The record, JSON-ready: the float network's figures, each engine's with the gate's
    verdict, and ``command``. Raises what ``quantized`` and ``bundle`` do.
    """
    learnt = load_learnt(run)
    woken, left_out = wakes(learnt, faces), ""
    if woken < HARDLY:
        left_out = f"the coarsest map, which {woken:.2%} of the faces that it learnt from woke"
        learnt = replace(learnt, network=WithoutCoarse(learnt.network).eval())
    form = exported(learnt, program="tflite" in names)
    models: dict[str, Built] = {}
    held = judge.record(test, learnt)
    record: dict[str, Any] = {
        **held,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "wanted": WANTED,
        "met": held["error"] <= WANTED["error"] and (held["auc_worn"] or 0) >= WANTED["auc_worn"],
        "gate": {"most_lost": MOST_LOST},
        "learnt_from": {
            source: int((faces.source == number).sum()) for number, source in enumerate(faces.sources)
        },
        "left_out": left_out,
        "steps": learnt.recipe.learn.steps,
        "engines": {},
    }
    for name in names:
        models[name], record["engines"][name] = climbed(learnt, faces, test, name, form, held)
    bundle(learnt, models, out, {"train": record["model"]}, card_of(record), accuracy_of(record))
    return record
