"""A trained landmark network to a bundle of kind "landmarks": exported, made int8, held against the network.

The gate is of a hundredth: of the eyes' distance for the error, and of the AUC of what is seen (``climb``).
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
from edge.bundle import Bundle
from edge.bundle_files import writer
from edge.bundle_files.sections import AccuracyRecord, InputSpec
from edge.classify import in_batches
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed
from pages.card import FILE
from quantize.builder import Built, Float
from quantize.kinds.climb import Climb
from quantize.kinds.landmarks_card import accuracy_of, card_of
from quantize.kinds.landmarks_lean import HARDLY, WithoutCoarse, wakes
from quantize.kinds.shared import face_rules, parts_of
from quantize.network import onnx_graph
from quantize.network.export import Exported, fold
from train.landmarks import judge
from train.landmarks.change import plain
from train.landmarks.judge import Ask
from train.landmarks.learn import Learnt, load_learnt
from train.landmarks.marked import CROP, MarkedFaces
from train.landmarks.network import POINTS
from train.onnx_export import INPUT, IR_VERSION, OPSET, TOLERANCE, quiet, tidy

OUTPUTS = ("points", "visible")
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


def climb_of(
    learnt: Learnt, faces: MarkedFaces, test: MarkedFaces, form: Exported, held: dict[str, Any]
) -> Climb:
    """How the network of ``form`` is made int8, calibrated on ``faces``, and held against what it does on
    ``test`` in float: ``held``.
    """

    def calibration(many: int) -> npt.NDArray[np.uint8]:
        spread = np.linspace(0, len(faces) - 1, min(many, len(faces))).astype(np.int64)
        return plain(faces, spread).pictures[:, 0].astype(np.uint8)

    def lost(figures: dict[str, Any]) -> dict[str, float]:
        return {
            "error": round(figures["error"] - held["error"], 5),
            "auc_worn": round(held["auc_worn"] - figures["auc_worn"], 5),
        }

    return Climb(
        Float(learnt.recipe.name, form, spec_of(learnt)),
        calibration,
        lambda built, engine: judge.judge(test, asker(built, engine, spec_of(learnt))),
        lost,
        MOST_LOST,
    )


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
    rules = face_rules()
    about = Bundle(
        path=out,
        name=learnt.recipe.name,
        description="68 landmarks and how surely each is seen, 64 px grey",
        labels=(),
        input=spec_of(learnt),
        crop=replace(rules["crop"], size=CROP),
        temperature=1.0,
        doubt=rules["doubt"],
        files={},
        accuracy=accuracy,
        made_by={**made_by, "recipe": learnt.recipe.text},
        kind="landmarks",
    )
    told, content = writer.compose(about, parts_of(models))
    cards = {FILE: card.encode()} if card else {}
    return writer.write(out, told, {**content, **cards, "landmarks.toml": learnt.recipe.text.encode()})


def build(
    run: Path, faces: MarkedFaces, test: MarkedFaces, out: Path, names: Sequence[str], command: str = ""
) -> dict[str, Any]:
    """Build for the engines ``names`` of the trained ``run``, judge each on ``test``, write the bundle
    ``out``.

    ``faces`` calibrate. The record, JSON-ready: the float network's figures, each engine's with the gate's
    verdict, and ``command``. Raises what ``Climb`` and ``bundle`` do.
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
    climb = climb_of(learnt, faces, test, form, held)
    for name in names:
        models[name], record["engines"][name] = climb(name)
    bundle(learnt, models, out, {"train": record["model"]}, card_of(record), accuracy_of(record))
    return record
